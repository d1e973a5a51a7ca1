//! Numbers that may be infinite, written as text by formats that have no word for them (JSON).

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() && !value.is_finite() {
        return to.serialize_str(&value.to_string());
    }
    to.serialize_f64(*value)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
    }
    if !from.is_human_readable() {
        return f64::deserialize(from);
    }
    match Written::deserialize(from)? {
        Written::Number(value) => Ok(value),
        Written::Text(text) => text.parse().map_err(D::Error::custom),
    }
}
