//! Command lines. [`options!`](crate::options!) declares a program's options once: their fields, help,
//! defaults, what complaints name, and what `--json` records of them.

mod values;

use std::io::IsTerminal;

use lexopt::Arg;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::common::Failure;
use crate::common::output::print;

pub use values::{Field, Out, Value};

/// The options of a program, declared by [`options!`](crate::options!).
pub trait Options: Default {
    /// What the program does.
    const ABOUT: &'static str;
    /// All of them.
    fn fields(&mut self) -> Vec<Field<'_>>;
    /// Their values.
    fn record(&self) -> Map<String, Json>;
    /// The names of those that the command line gave.
    fn given(&mut self) -> &mut Vec<String>;
}

/// Declares a program's options: `options! { /// About. struct Options [seed, threads, json, out "out/name"]
/// { /// Help. name: Type = default, } }`.
///
/// In brackets stand those that many programs have, in the braces its own; the default may be left out where
/// the type has one. A field may also be a group, that is another such struct.
#[macro_export]
macro_rules! options {
    ($(#[doc = $about:literal])+ $vis:vis struct $Name:ident [$($shared:tt)*] { $($own:tt)* }) => {
        $crate::options!(@shared [$($shared)*] ($(#[doc = $about])+ $vis struct $Name) { $($own)* });
    };
    (@shared [seed $(, $($rest:tt)*)?] $head:tt { $($own:tt)* }) => {
        $crate::options!(@shared [$($($rest)*)?] $head { $($own)*
            /// Seed of all draws
            seed: u64 = 1,
        });
    };
    (@shared [threads $(, $($rest:tt)*)?] $head:tt { $($own:tt)* }) => {
        $crate::options!(@shared [$($($rest)*)?] $head { $($own)*
            /// Threads (default: one a core); results do not depend on them
            threads: Option<usize>,
        });
    };
    (@shared [json $(, $($rest:tt)*)?] $head:tt { $($own:tt)* }) => {
        $crate::options!(@shared [$($($rest)*)?] $head { $($own)*
            /// Print one JSON object, with the options and the version, instead of text
            json: bool,
        });
    };
    (@shared [out $default:literal $(, $($rest:tt)*)?] $head:tt { $($own:tt)* }) => {
        $crate::options!(@shared [$($($rest)*)?] $head { $($own)*
            /// Folder of the pictures; beside --json none are drawn unless it is given
            out: $crate::common::options::Out = $crate::common::options::Out::new($default),
        });
    };
    (@shared [] ($(#[doc = $about:literal])+ $vis:vis struct $Name:ident) {
        $($(#[doc = $help:literal])+ $field:ident: $type:ty $(= $default:expr)?,)*
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        $vis struct $Name {
            $($(#[doc = $help])+ pub $field: $type,)*
            /// Names of the options that the command line gave.
            pub given: Vec<String>,
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name { $($field: $crate::options!(@default $type $(, $default)?),)* given: Vec::new() }
            }
        }

        impl $crate::common::options::Options for $Name {
            const ABOUT: &'static str = concat!($($about),+);

            fn fields(&mut self) -> Vec<$crate::common::options::Field<'_>> {
                let mut fields = Vec::new();
                $($crate::common::options::declare(&mut fields, stringify!($field), concat!($($help),+), &mut self.$field);)*
                fields
            }

            fn record(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut record = serde_json::Map::new();
                $($crate::common::options::note(&mut record, stringify!($field), &self.$field);)*
                record
            }

            fn given(&mut self) -> &mut Vec<String> {
                &mut self.given
            }
        }

        impl $crate::common::options::Value for $Name {
            fn placeholder(&self) -> Option<&'static str> {
                None
            }
            fn set(&mut self, _: &str) -> std::result::Result<(), String> {
                Ok(())
            }
            fn text(&self) -> Option<String> {
                None
            }
            fn json(&self) -> serde_json::Value {
                $crate::common::options::Options::record(self).into()
            }
            fn group(&mut self) -> Option<Vec<$crate::common::options::Field<'_>>> {
                Some($crate::common::options::Options::fields(self))
            }
            fn is_group(&self) -> bool {
                true
            }
        }
    };
    (@default $type:ty) => { <$type>::default() };
    (@default $type:ty, $default:expr) => { $default };
}

/// Declares an enumeration that options can hold: `choices! { /// Doc. pub enum Name { /// Help. Variant =
/// "as on the command line", } }`. The first variant is the default.
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $Name:ident {
        $(#[doc = $first_help:literal])+ $First:ident = $first:literal,
        $($(#[doc = $help:literal])+ $Variant:ident = $name:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        $vis enum $Name {
            $(#[doc = $first_help])+ #[default] $First,
            $($(#[doc = $help])+ $Variant,)*
        }

        impl $Name {
            /// As on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $Name::$First => $first,
                    $($Name::$Variant => $name,)*
                }
            }
        }

        impl $crate::common::options::Value for $Name {
            fn placeholder(&self) -> Option<&'static str> {
                Some("NAME")
            }
            fn set(&mut self, text: &str) -> std::result::Result<(), String> {
                *self = match text {
                    $first => $Name::$First,
                    $($name => $Name::$Variant,)*
                    _ => return Err($crate::common::options::none_of(self.choices())),
                };
                Ok(())
            }
            fn text(&self) -> Option<String> {
                Some(self.name().into())
            }
            fn json(&self) -> serde_json::Value {
                self.name().into()
            }
            fn choices(&self) -> &'static [(&'static str, &'static str)] {
                &[($first, concat!($($first_help),+)), $(($name, concat!($($help),+)),)*]
            }
        }
    };
}

/// Adds an option, or those of a group.
pub fn declare<'a>(fields: &mut Vec<Field<'a>>, name: &str, help: &'static str, value: &'a mut dyn Value) {
    if value.is_group() {
        fields.extend(value.group().unwrap_or_default());
    } else {
        fields.push(Field { name: name.replace('_', "-"), help: help.trim(), value });
    }
}

/// Records an option, or those of a group.
pub fn note(record: &mut Map<String, Json>, name: &str, value: &dyn Value) {
    match value.json() {
        Json::Object(group) if value.is_group() => record.extend(group),
        json => drop(record.insert(name.to_owned(), json)),
    }
}

/// The complaint about something that cannot be chosen.
pub fn none_of(choices: &[(&str, &str)]) -> String {
    format!("not one of {}", choices.iter().map(|choice| choice.0).collect::<Vec<_>>().join(", "))
}

/// Parses the command line; `--help` and `--version` print and end the program, a mistake is one line.
pub fn parse<O: Options>() -> Result<O, Failure> {
    let (mut options, mut parser) = (O::default(), lexopt::Parser::from_env());
    while let Some(arg) = parser.next()? {
        let name = match arg {
            Arg::Long("help") | Arg::Short('h') => leave(&help(&mut options)),
            Arg::Long("version") | Arg::Short('V') => leave(concat!(env!("CARGO_PKG_VERSION"), "\n")),
            Arg::Long(name) => name.to_owned(),
            Arg::Short(letter) => return Err(format!("-{letter}: no such option, see --help").into()),
            Arg::Value(value) => return Err(format!("{}: options begin with --", value.to_string_lossy()).into()),
        };
        let mut fields = options.fields();
        let Some(field) = fields.iter_mut().find(|field| field.name == name) else {
            return Err(format!("--{name}: no such option, see --help").into());
        };
        let text = match field.value.placeholder() {
            Some(_) => parser.value()?.to_string_lossy().into_owned(),
            None => String::new(),
        };
        field.value.set(&text).map_err(|wrong| format!("--{name} {text}: {wrong}"))?;
        if options.given().contains(&name) {
            return Err(format!("--{name} {text}: given twice").into());
        }
        options.given().push(name);
    }
    Ok(options)
}

/// Prints a text and ends the program.
fn leave(text: &str) -> ! {
    let code = i32::from(print(text).is_err());
    std::process::exit(code)
}

/// The text of `--help`.
fn help<O: Options>(options: &mut O) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for field in options.fields() {
        let mut text = field.help.to_owned();
        if let Some(default) = field.value.text().filter(|_| !text.contains("default")) {
            text += &format!(" (default: {default})");
        }
        let choices = field.value.choices();
        let width = choices.iter().map(|(name, _)| name.len() + 1).fold(11, usize::max);
        let choices = choices.iter().map(|(name, help)| format!("\n  {name:<width$}{}", help.trim()));
        lines.push((format!("--{} {}", field.name, field.value.placeholder().unwrap_or("")), text));
        lines.extend(choices.map(|choice| (String::new(), choice[1..].to_owned())));
    }
    lines.push(("--help".into(), "Print this and nothing else".into()));
    lines.push(("--version".into(), "Print the version and nothing else".into()));
    let width = lines.iter().map(|line| line.0.chars().count()).max().unwrap_or(0);
    let body: String = lines.iter().map(|(name, text)| format!("  {name:<width$}  {text}\n")).collect();
    format!("{}\n\n{body}", O::ABOUT.trim())
}

/// What `--json` prints: the report, the options and the version behind it.
#[derive(Serialize)]
struct Record<'a, R> {
    #[serde(flatten)]
    report: &'a R,
    options: Map<String, Json>,
    version: &'static str,
}

/// The one JSON object of a run, with all options and the version under keys of their own.
pub fn json(options: &impl Options, report: &impl Serialize) -> Result<String, Failure> {
    let record = Record { report, options: options.record(), version: env!("CARGO_PKG_VERSION") };
    // In one line for programs, on several for people.
    let pretty = std::io::stdout().is_terminal();
    Ok(if pretty { serde_json::to_string_pretty(&record)? } else { serde_json::to_string(&record)? } + "\n")
}

/// A count that must not be zero.
pub fn positive(name: &str, value: usize) -> Result<usize, Failure> {
    if value == 0 { Err(format!("--{name} {value}: at least 1 is needed").into()) } else { Ok(value) }
}

/// Refuses options that were given though they do not apply, and says why not.
pub fn refuse(options: &mut impl Options, names: &[&str], why: &str) -> Result<(), Failure> {
    let Some(name) = names.iter().find(|name| options.given().iter().any(|given| given == *name)) else {
        return Ok(());
    };
    let fields = options.fields();
    let text = fields.iter().find(|field| field.name == *name).and_then(|field| field.value.text());
    Err(format!("--{name} {}: {why}", text.unwrap_or_default()).into())
}

/// Sets the number of threads of the whole process; `None` leaves one a core.
pub fn set_threads(threads: Option<usize>) -> Result<(), Failure> {
    /// More than any machine has; rayon would try to start them.
    const LIMIT: usize = 1024;
    let Some(threads) = threads else { return Ok(()) };
    if positive("threads", threads)? > LIMIT {
        return Err(format!("--threads {threads}: at most {LIMIT} are allowed").into());
    }
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?)
}
