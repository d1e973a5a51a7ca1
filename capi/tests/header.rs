//! The committed header is what cbindgen makes of the source.

use std::path::Path;

/// Set to write the header instead of comparing it.
const WRITE: &str = "WRITE_HEADER";

#[test]
fn the_header_is_that_of_the_source() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = root.join("include/tensorjump.h");
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new().with_crate(root).with_config(config).generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&header, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&header).unwrap_or_default();
    let lines = || committed.lines().zip(made.lines()).enumerate();
    if let Some((line, (old, new))) = lines().find(|(_, (old, new))| old != new) {
        panic!("line {}: {old:?} should be {new:?}; {WRITE}=1 cargo test writes the header", line + 1);
    }
    assert_eq!(committed.len(), made.len());
}

#[test]
fn every_function_is_documented_with_its_errors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = std::fs::read_to_string(root.join("include/tensorjump.h")).unwrap();
    let mut doc = "";
    let mut functions = 0;
    for part in header.split("\n\n") {
        if let Some((text, function)) = part.rsplit_once("*/\n") {
            doc = text;
            if function.starts_with("tj_status tj_") {
                functions += 1;
                assert!(doc.contains("Errors"), "no errors: {function}");
            }
        } else {
            assert!(!part.starts_with("tj_status tj_"), "not documented: {part} (after {doc})");
        }
    }
    assert!(functions > 30, "{functions} functions");
}
