//! Files of models and configurations: what NumPy writes, what foreign programs write, and what is damaged.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, Axis, array};
use rand::RngExt;
use tensorjump::io::{StoredLaw, read_samples, write_samples};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::tn::{Mpo, Mps};
use tensorjump::{Error, Model, Streams, Target};

use super::common::all_configs;
use super::learn::folder;

/// A file that NumPy 2.4 wrote; `make.py` beside it says how.
fn from_numpy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/reference/npy/{name}.npy"))
}

#[test]
fn integers_of_every_type_are_read() {
    let x = array![[0, 1, 2, 3], [250, 5, 6, 7], [8, 9, 10, 255]];
    let types = ["nu1", "lu2", "bu2", "li2", "bi2", "lu4", "bu4", "li4", "bi4", "lu8", "bu8", "li8", "bi8"];
    for name in types.iter().chain(&["fortran", "version2", "version3"]) {
        assert_eq!(read_samples(from_numpy(name)).unwrap(), x, "{name}");
    }
    assert_eq!(read_samples(from_numpy("ni1")).unwrap(), x.mapv(|a| a % 120));
    assert_eq!(read_samples(from_numpy("nb1")).unwrap(), x.mapv(|a| a % 2));
}

#[test]
fn other_numbers_are_named() {
    let reason = |name: &str| match read_samples(from_numpy(name)) {
        Err(Error::Format { reason, .. }) => reason,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(reason("negative"), "row 1, site 0 holds -1, states are 0 to 255");
    assert_eq!(reason("above"), "row 1, site 1 holds 256, states are 0 to 255");
    assert_eq!(reason("huge"), "row 1, site 1 holds 9223372036854775808, states are 0 to 255");
    assert_eq!(reason("floats"), "numbers of type `<f8`, expected integers or booleans");
    assert_eq!(reason("text"), "numbers of type `<U2`, expected integers or booleans");
    assert_eq!(reason("records"), "records, expected integers or booleans");
    assert_eq!(reason("one_axis"), "an array of 1 axes, expected two (samples, sites)");
}

/// What is written is what NumPy writes, byte by byte.
#[test]
fn samples_are_written_as_numpy_writes_them() {
    let at = folder("npy");
    let x = array![[0, 1, 2, 3], [250, 5, 6, 7], [8, 9, 10, 255]];
    write_samples(at.join("x.npy"), x.view()).unwrap();
    assert_eq!(fs::read(at.join("x.npy")).unwrap(), fs::read(from_numpy("nu1")).unwrap());
    for shape in [(0, 3), (1, 1), (1000, 64)] {
        let x = Array2::from_shape_fn(shape, |(i, j)| (i * i + j) as u8);
        write_samples(at.join("x.npy"), x.view()).unwrap();
        assert_eq!(read_samples(at.join("x.npy")).unwrap(), x);
    }
    fs::remove_dir_all(at).unwrap();
}

/// A file of version 1 with this dictionary and these bytes behind it.
fn npy(dictionary: &str, numbers: &[u8]) -> Vec<u8> {
    let length = (dictionary.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), numbers].concat()
}

#[test]
fn headers_that_claim_too_much_are_refused() {
    let at = folder("claims");
    let path = at.join("x.npy");
    let read = |bytes: Vec<u8>| {
        fs::write(&path, bytes).unwrap();
        read_samples(&path)
    };
    let with = |shape: &str| npy(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"), &[1; 6]);
    assert_eq!(read(with("(2, 3)")).unwrap(), Array2::<u8>::ones((2, 3)));
    assert_eq!(read(with("(2L, 3L,)")).unwrap(), Array2::<u8>::ones((2, 3)));
    for shape in [
        "(170000000000, 1)",
        "(1, 170000000000)",
        "(4294967296, 4294967296)",
        "(18446744073709551615, 18446744073709551615)",
        "(18446744073709551616, 1)",
        "(0, 18446744073709551615)",
        "(18446744073709551615, 0)",
        "(2, 4)",
        "(2, -3)",
        "(2, 3, 1)",
        "(2, 3",
        "2, 3)",
        "(2 3)",
        "()",
        "None",
    ] {
        let result = read(with(shape));
        assert!(matches!(result, Err(Error::Format { .. })), "{shape}: {result:?}");
    }
    // Nothing is there: neither rows nor bytes.
    for shape in ["(0, 18446744073709551615)", "(9223372036854775807, 0)"] {
        let result = read(npy(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}"), &[]));
        assert!(matches!(result, Err(Error::Format { .. })), "{shape}: {result:?}");
    }
    for dictionary in [
        "",
        "{}",
        "{'descr': '|u1', 'shape': (2, 3)}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)} more",
        "{'descr': '|u2', 'fortran_order': False, 'shape': (1, 3)}",
        "{'descr': '<u3', 'fortran_order': False, 'shape': (1, 2)}",
        "{'descr': '\\x7cu1', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '|u1, 'fortran_order': False, 'shape': (2, 3)}",
    ] {
        let result = read(npy(dictionary, &[1; 6]));
        assert!(matches!(result, Err(Error::Format { .. })), "{dictionary}: {result:?}");
    }
    fs::remove_dir_all(at).unwrap();
}

/// Bytes changed, cut, put in: an array of as many numbers as the file has room for, or an error of its own;
/// never a panic.
/// The same file whose checksum is a note that nobody knows: damage is left to what looks behind it.
pub fn without_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(at) = bytes.windows(10).position(|w| w == b"\"checksum\"") {
        bytes[at + 8] = b'n';
    }
    bytes
}

#[test]
fn damaged_files_are_refused() {
    let at = folder("damaged");
    let mut rng = Streams::new(64).domain("damage").stream(0);
    BornMps::random(&[2; 3], 2, &mut rng).unwrap().write(at.join("born")).unwrap();
    Mps::random_real(&[2; 3], 2, &mut rng).unwrap().write(at.join("mps")).unwrap();
    let names = ["nu1", "bi8", "version2", "records"].map(from_numpy);
    let (mut read, mut refused) = (0, 0);
    for path in names.iter().chain(&[at.join("born"), at.join("mps")]) {
        let whole = without_checksum(fs::read(path).unwrap());
        // Damage to headers, most of the time.
        let header = if path.extension().is_some() { 70 } else { 400 };
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                let reach = if rng.random_range(0..4) > 0 { header } else { bytes.len() }.min(bytes.len());
                let place = rng.random_range(0..reach);
                match rng.random_range(0..4) {
                    0 => bytes[place] = rng.random(),
                    1 => bytes[place] = b"0123456789(),'{}[]-L<>|:"[rng.random_range(0..24)],
                    2 => bytes.insert(place, b'9'),
                    _ => drop(bytes.remove(place)),
                }
            }
            let file = at.join("damaged");
            fs::write(&file, &bytes).unwrap();
            let result = match path.file_name().and_then(|name| name.to_str()) {
                Some("born") => {
                    BornMps::read(&file).map(|model| model.amplitude().tensors().iter().map(|a| a.len()).sum())
                }
                Some("mps") => Mps::read(&file).map(|mps| mps.tensors().iter().map(|a| a.len()).sum::<usize>()),
                _ => read_samples(&file).map(|x| x.len()),
            };
            match result {
                Ok(numbers) => {
                    assert!(numbers <= bytes.len(), "{numbers} numbers from {} bytes", bytes.len());
                    read += 1;
                }
                Err(Error::File { .. }) => panic!("the file is there"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 1000, "the damage does not tell: {read} read, {refused} refused");
    fs::remove_dir_all(at).unwrap();
}

/// The normaliser of the vector that a law was made from is part of the law.
#[test]
fn laws_come_back_with_their_normaliser() {
    let at = folder("normaliser");
    let path = at.join("law");
    let mut rng = Streams::new(64).domain("laws").stream(0);
    for scale in [0.0, 12.28, -3e5] {
        let (tensors, _) = Mps::random_positive(&[2, 3, 1, 4], 3, &mut rng).unwrap().into_parts();
        let law = PositiveMps::new(&Mps::new(tensors, scale).unwrap()).unwrap();
        law.write(&path).unwrap();
        let read = PositiveMps::read(&path).unwrap();
        assert_eq!((read.as_mps(), read.log_z()), (law.as_mps(), law.log_z()));
        assert_eq!(read.site_marginals(), law.site_marginals());
        let (tensors, _) = Mps::random_real(&[2, 3, 1, 4], 3, &mut rng).unwrap().into_parts();
        let law = BornMps::new(&Mps::new(tensors, scale).unwrap()).unwrap();
        law.write(&path).unwrap();
        let read = BornMps::read(&path).unwrap();
        assert_eq!((read.amplitude(), read.log_z()), (law.amplitude(), law.log_z()));
        // The sites that are summed over stay so.
        let law = BornMps::marginal(law.amplitude(), 2).unwrap();
        law.write(&path).unwrap();
        let read = BornMps::read(&path).unwrap();
        assert_eq!((read.dims(), read.amplitude()), (law.dims(), law.amplitude()));
    }
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn vectors_and_operators_come_back() {
    let at = folder("trains");
    let mut rng = Streams::new(64).domain("trains").stream(0);
    let (tensors, _) = Mps::random_real(&[2, 5, 3], 4, &mut rng).unwrap().into_parts();
    let mps = Mps::new(tensors, -1.5e3).unwrap();
    mps.write(at.join("mps")).unwrap();
    assert_eq!(Mps::read(at.join("mps")).unwrap(), mps);
    let mut tensor = |l, r| Array4::from_shape_simple_fn((l, 2, 3, r), || rng.random::<f64>() - 0.5);
    let mpo = Mpo::new(vec![tensor(1, 3), tensor(3, 2), tensor(2, 1)], 0.25).unwrap();
    mpo.write(at.join("mpo")).unwrap();
    assert_eq!(Mpo::read(at.join("mpo")).unwrap(), mpo);
    // Each kind by its own reader only.
    assert!(matches!(Mps::read(at.join("mpo")), Err(Error::Format { .. })));
    assert!(matches!(Mpo::read(at.join("mps")), Err(Error::Format { .. })));
    assert!(matches!(BornMps::read(at.join("mps")), Err(Error::Format { .. })));
    fs::remove_dir_all(at).unwrap();
}

/// A file by somebody else, after the layout in the documentation: tensors in any gauge, no scale.
fn foreign(path: &Path, kind: &str, mps: &Mps) {
    let mut header = format!(r#"{{"__metadata__":{{"kind":"{kind}","version":"1","tensor sites":"{}"}}"#, mps.sites());
    let mut numbers = Vec::new();
    for (j, a) in mps.tensors().iter().enumerate() {
        let first = numbers.len();
        a.iter().for_each(|v| numbers.extend_from_slice(&v.to_le_bytes()));
        let end = numbers.len();
        header += &format!(r#","tensor {j}":{{"dtype":"F64","shape":{:?},"data_offsets":[{first},{end}]}}"#, a.shape());
    }
    header += "}";
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), &numbers].concat()).unwrap();
}

#[test]
fn tensors_in_any_gauge_are_read() {
    let at = folder("gauge");
    let path = at.join("law");
    let mut rng = Streams::new(64).domain("gauge").stream(0);
    let dims = [2, 3, 2, 2];
    let x = all_configs(&dims);
    let psi = Mps::random_real(&dims, 3, &mut rng).unwrap();
    foreign(&path, "tensorjump born law", &psi);
    let (read, truth) = (BornMps::read(&path).unwrap(), BornMps::new(&psi).unwrap());
    let log_prob = |model: &dyn Model| model.log_prob(x.view()).unwrap();
    let close = |a: &dyn Model, b: &dyn Model| log_prob(a).iter().zip(&log_prob(b)).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(&read, &truth) && (read.log_z() - truth.log_z()).abs() < 1e-12);
    let weights = Mps::random_positive(&dims, 3, &mut rng).unwrap();
    foreign(&path, "tensorjump positive law", &weights);
    let (read, truth) = (PositiveMps::read(&path).unwrap(), PositiveMps::new(&weights).unwrap());
    assert!(close(&read, &truth) && (read.log_z() - truth.log_z()).abs() < 1e-12);
    // The wrong twin: another law.
    assert!(!close(&read, &PositiveMps::random(&dims, 3, &mut rng).unwrap()));
    foreign(&path, "tensorjump positive law", &psi);
    assert!(matches!(PositiveMps::read(&path), Err(Error::Negative { .. })));
    fs::remove_dir_all(at).unwrap();
}

/// A bond wider than what stands to its right, behind a first tensor of norm one: no isometry, and nothing of
/// the square of the bond is needed to see it (here 80 GB).
#[test]
fn wide_bonds_cost_what_the_file_holds() {
    let at = folder("wide");
    let path = at.join("law");
    let bond = 100_000;
    let left = Array3::from_elem((1, 2, bond), (0.5 / bond as f64).sqrt());
    let right = Array3::from_shape_fn((bond, 2, 1), |(k, a, _)| if (k + a) % 3 == 0 { 1.0 } else { -0.5 });
    let psi = Mps::new(vec![left, right], 0.0).unwrap();
    foreign(&path, "tensorjump born law", &psi);
    let read = BornMps::read(&path).unwrap();
    // ψ(x_0, x_1) is the sum of the second tensor.
    let sum = |a: usize| psi.tensors()[1].index_axis(Axis(1), a).sum();
    let p = [sum(0).powi(2), sum(1).powi(2)];
    let found = read.log_prob(array![[0, 0], [1, 1]].view()).unwrap();
    for (found, p) in found.iter().zip(p.map(|w| w / (2.0 * (p[0] + p[1])))) {
        assert!((found - p.ln()).abs() < 1e-9, "{found}, {}", p.ln());
    }
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn a_law_of_either_kind_is_read() {
    let at = folder("either");
    let path = at.join("law");
    let mut rng = Streams::new(64).domain("either").stream(0);
    let (dims, other) = ([2, 3, 2], [2, 3, 3]);
    let born = BornMps::random(&dims, 3, &mut rng).unwrap();
    born.write(&path).unwrap();
    let read = StoredLaw::read(&path).unwrap();
    assert!(matches!(&read, StoredLaw::Born(law) if law.amplitude() == born.amplitude() && law.dims() != other));
    let positive = PositiveMps::random(&dims, 3, &mut rng).unwrap();
    positive.write(&path).unwrap();
    let read = StoredLaw::read(&path).unwrap();
    assert!(matches!(&read, StoredLaw::Positive(law) if law.as_mps() == positive.as_mps()));
    positive.as_mps().write(&path).unwrap();
    let error = StoredLaw::read(&path).unwrap_err();
    assert!(error.to_string().contains("tensorjump mps"), "{error}");
    fs::write(&path, b"no file of ours").unwrap();
    assert!(matches!(StoredLaw::read(&path), Err(Error::Format { .. })));
    assert!(matches!(StoredLaw::read(at.join("absent")), Err(Error::File { .. })));
    fs::remove_dir_all(at).unwrap();
}
