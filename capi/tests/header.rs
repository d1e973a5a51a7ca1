//! The committed header is what cbindgen makes of the source, and the wrappers call what it declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Set to write the header instead of comparing it.
const WRITE: &str = "WRITE_HEADER";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let path: PathBuf = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The header that belongs to the source.
fn made() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::Builder::new().with_crate(root()).with_config(config).generate().unwrap().write(&mut made);
    String::from_utf8(made).unwrap()
}

#[test]
fn the_header_is_that_of_the_source() {
    let made = made();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(root().join("include/tensorjump.h"), &made).unwrap();
    }
    let committed = read("include/tensorjump.h");
    let mut lines = committed.lines().zip(made.lines()).enumerate();
    if let Some((line, (old, new))) = lines.find(|(_, (old, new))| old != new) {
        panic!("line {}: {old:?} should be {new:?}; {WRITE}=1 cargo test writes the header", line + 1);
    }
    assert_eq!(committed.len(), made.len());
}

#[test]
fn every_function_is_documented_with_its_errors() {
    let header = read("include/tensorjump.h");
    let mut functions = 0;
    for part in header.split("\n\n") {
        match part.rsplit_once("*/\n") {
            Some((doc, function)) if function.starts_with("tj_status tj_") => {
                functions += 1;
                assert!(doc.contains("Errors"), "no errors: {function}");
            }
            _ => assert!(!part.contains("\ntj_") && !part.starts_with("tj_"), "not documented: {part}"),
        }
    }
    assert!(functions > 40, "{functions} functions");
}

/// What stands between the parenthesis at the start of `text` and its partner, and what follows.
fn parenthesis(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[1..i], &text[i + 1..]);
        }
    }
    panic!("no end of {text}")
}

/// Split at commas outside of parentheses.
fn arguments(list: &str) -> Vec<String> {
    let (mut depth, mut out, mut argument) = (0, vec![], String::new());
    for c in list.chars().chain([',']) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            let words = argument.split_whitespace().collect::<Vec<_>>().join(" ");
            out.extend((!words.is_empty() && words != "void").then_some(words));
            argument.clear();
        } else {
            argument.push(c);
        }
    }
    out
}

/// Functions of the header with their arguments, each a type and a name.
fn declared() -> BTreeMap<String, Vec<(String, String)>> {
    let header = read("include/tensorjump.h");
    let mut out = BTreeMap::new();
    for code in header.split("*/\n").map(|part| part.split("/*").next().unwrap_or_default()) {
        let Some(open) = code.find('(').filter(|_| !code.starts_with("typedef")) else { continue };
        let Some(start) = code[..open].rfind("tj_") else { continue };
        let split = |argument: &String| {
            let name = argument.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |i| i + 1);
            (argument[..name].replace(' ', ""), argument[name..].to_string())
        };
        let list = arguments(parenthesis(&code[open..]).0);
        out.insert(code[start..open].to_string(), list.iter().map(split).collect());
    }
    assert!(out.len() > 50, "{} functions", out.len());
    out
}

#[test]
fn the_fortran_module_declares_all_functions_with_their_arguments() {
    let module = read("include/tensorjump.f90").replace(" &\n        &", " ");
    for (function, declared) in declared() {
        let Some(at) = module.find(&format!("{function}(")) else { panic!("{function} is not there") };
        let of_fortran = arguments(parenthesis(&module[at + function.len()..]).0);
        let names: Vec<_> = declared.into_iter().map(|(_, name)| name).collect();
        assert_eq!(of_fortran, names, "{function}");
    }
}

#[test]
fn the_julia_module_calls_with_the_types_of_the_header() {
    let module = read("julia/src/TensorJump.jl");
    let declared = declared();
    let mut calls = 0;
    for part in module.split("lib.").skip(1).filter(|part| part.starts_with("tj_")) {
        let open = part.find('(').unwrap();
        let function = &part[..open];
        let Some(expected) = declared.get(function) else { panic!("{function} is not in the header") };
        let (list, rest) = parenthesis(&part[open..]);
        let types: Vec<String> =
            arguments(list).iter().map(|a| a.rsplit_once("::").expect("a type").1.to_string()).collect();
        let fits = |julia: &str, c: &str| match c {
            "size_t" => julia == "Csize_t",
            "uint64_t" => julia == "UInt64",
            "int" => julia == "Cint",
            "double" => julia == "Cdouble",
            "constchar*" => julia == "Cstring",
            "constsize_t*" => julia == "Ptr{Csize_t}",
            "uint8_t*" | "constuint8_t*" => julia == "Ptr{UInt8}",
            "double*" | "constdouble*" => julia == "Ptr{Cdouble}",
            "tj_report*" => julia == "Ptr{UInt64}",
            "void*" | "tj_log_weight" => julia == "Ptr{Cvoid}",
            c if c.ends_with("**") || c.ends_with("*const*") => julia == "Ptr{Handle}",
            c => c.ends_with('*') && julia == "Handle",
        };
        let fit = types.len() == expected.len() && types.iter().zip(expected).all(|(j, (c, _))| fits(j, c));
        assert!(fit, "{function}: {types:?} for {expected:?}");
        let result = if function.ends_with("_free") { "::Cvoid" } else { "::C" };
        assert!(rest.starts_with(result), "{function} returns {rest:.20}");
        calls += 1;
    }
    assert!(calls > 30, "{calls} calls");
}
