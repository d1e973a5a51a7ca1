//! What an option holds: numbers, texts, flags, lists, folders.

use std::path::PathBuf;

use serde_json::Value as Json;

use crate::common::Failure;
use crate::common::output::Folder;

/// What an option holds, or a group of options.
pub trait Value {
    /// What the value is called in the help; none for a flag.
    fn placeholder(&self) -> Option<&'static str>;
    /// Takes the text of the command line, or says what is wrong with it.
    fn set(&mut self, text: &str) -> Result<(), String>;
    /// The present value as the command line would have it; none where there is none.
    fn text(&self) -> Option<String>;
    /// The present value for the record.
    fn json(&self) -> Json;
    /// The values that can be chosen, with what they mean.
    fn choices(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// The options of a group, for which the other methods have no meaning.
    fn group(&mut self) -> Option<Vec<Field<'_>>> {
        None
    }
    /// Whether it is a group.
    fn is_group(&self) -> bool {
        false
    }
}

/// An option of a program.
pub struct Field<'a> {
    /// As on the command line, without the two dashes.
    pub name: String,
    /// What it does.
    pub help: &'static str,
    /// Where its value goes.
    pub value: &'a mut dyn Value,
}

macro_rules! plain {
    ($($type:ty, $placeholder:literal, $wrong:literal, |$value:ident| $json:expr;)*) => {$(
        impl Value for $type {
            fn placeholder(&self) -> Option<&'static str> {
                Some($placeholder)
            }
            fn set(&mut self, text: &str) -> Result<(), String> {
                *self = text.parse().map_err(|_| String::from($wrong))?;
                Ok(())
            }
            fn text(&self) -> Option<String> {
                let $value = self;
                match $json {
                    Json::String(text) => Some(text),
                    other => Some(other.to_string()),
                }
            }
            fn json(&self) -> Json {
                let $value = self;
                $json
            }
        }
    )*};
}

plain! {
    usize, "N", "not a whole number from 0 on", |v| (*v).into();
    u64, "N", "not a whole number from 0 on", |v| (*v).into();
    f64, "X", "not a number", |v| (*v).into();
    String, "TEXT", "not text", |v| v.as_str().into();
}

impl Value for PathBuf {
    fn placeholder(&self) -> Option<&'static str> {
        Some("FILE")
    }
    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = text.into();
        Ok(())
    }
    fn text(&self) -> Option<String> {
        Some(self.display().to_string())
    }
    fn json(&self) -> Json {
        self.to_string_lossy().into()
    }
}

impl Value for bool {
    fn placeholder(&self) -> Option<&'static str> {
        None
    }
    fn set(&mut self, _: &str) -> Result<(), String> {
        *self = true;
        Ok(())
    }
    fn text(&self) -> Option<String> {
        None
    }
    fn json(&self) -> Json {
        (*self).into()
    }
}

impl<T: Value + Default> Value for Option<T> {
    fn placeholder(&self) -> Option<&'static str> {
        T::default().placeholder()
    }
    fn set(&mut self, text: &str) -> Result<(), String> {
        self.insert(T::default()).set(text)
    }
    fn text(&self) -> Option<String> {
        self.as_ref().and_then(Value::text)
    }
    fn json(&self) -> Json {
        self.as_ref().map_or(Json::Null, Value::json)
    }
    fn choices(&self) -> &'static [(&'static str, &'static str)] {
        T::default().choices()
    }
}

/// Several values, separated by commas.
impl<T: Value + Default> Value for Vec<T> {
    fn placeholder(&self) -> Option<&'static str> {
        Some("A,B,…")
    }
    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = text
            .split(',')
            .map(|part| {
                let mut value = T::default();
                value.set(part).map(|()| value)
            })
            .collect::<Result<_, _>>()?;
        Ok(())
    }
    fn text(&self) -> Option<String> {
        Some(self.iter().filter_map(Value::text).collect::<Vec<_>>().join(","))
    }
    fn json(&self) -> Json {
        self.iter().map(Value::json).collect()
    }
    fn choices(&self) -> &'static [(&'static str, &'static str)] {
        T::default().choices()
    }
}

/// The folder of the pictures. The rule of all programs: pictures are drawn as long as text is printed;
/// beside a JSON object only where `--out` was given.
#[derive(Debug, Clone, Default)]
pub struct Out {
    default: &'static str,
    given: Option<PathBuf>,
}

impl Out {
    /// With the folder that is taken where none is given.
    pub fn new(default: &'static str) -> Self {
        Out { default, given: None }
    }

    /// The folder, tried before any work is done for it; none where no pictures are to be drawn.
    pub fn open(&self, json: bool) -> Result<Option<Folder>, Failure> {
        match &self.given {
            Some(path) => Folder::open(path).map(Some),
            None if json => Ok(None),
            None => Folder::open(self.default.as_ref()).map(Some),
        }
    }
}

impl Value for Out {
    fn placeholder(&self) -> Option<&'static str> {
        Some("FOLDER")
    }
    fn set(&mut self, text: &str) -> Result<(), String> {
        self.given = Some(text.into());
        Ok(())
    }
    fn text(&self) -> Option<String> {
        Some(self.given.as_ref().map_or_else(|| self.default.into(), |path| path.display().to_string()))
    }
    fn json(&self) -> Json {
        self.given.as_ref().map_or(Json::Null, |path| path.to_string_lossy().into())
    }
}
