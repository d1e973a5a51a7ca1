//! Configurations as SVG.

use std::fmt::Write;

use tensorjump::lattice::{Neighbour, Square};

/// Squares without seams.
const CRISP: &str = "shape-rendering=\"crispEdges\"";

/// Dominoes in the four colours of the ways in which one can lie: by where it points from its site of even
/// `r + c`. One path a colour, in units of sites.
pub fn dominoes(lattice: Square, x: &[u8]) -> String {
    let colours = ["#2a6f97", "#e9c46a", "#c8553d", "#588157"];
    let mut paths = [const { String::new() }; 4];
    let order = lattice.rows() / 2;
    let off = |i: usize| if i < order { order - 1 - i } else { i - order };
    for j in 0..lattice.sites() {
        let (r, c) = lattice.place(j);
        if (r + c) % 2 == 0 && off(r) + off(c) < order {
            let (row, col, shape) = match x[j] {
                0 => (r, c, "h2v1h-2z"),
                1 => (r, c - 1, "h2v1h-2z"),
                2 => (r, c, "h1v2h-1z"),
                _ => (r - 1, c, "h1v2h-1z"),
            };
            let _ = write!(paths[usize::from(x[j] & 3)], "M{col} {row}{shape}"); // to a string, never fails
        }
    }
    let lines = "stroke=\"#fff\" stroke-width=\".12\"";
    svg(lattice.cols(), lattice.rows(), paths.iter().zip(colours), lines)
}

/// Heights of the faces, from dark to light: from face to face by one, up where the arrow that is crossed on
/// the way to the right points up, or on the way down points right.
pub fn heights(lattice: Square, x: &[u8]) -> String {
    let (rows, cols) = (lattice.rows(), lattice.cols());
    // Right on the left and on the right edge, down on the upper and on the lower edge, by state.
    let right = |s: u8, k: usize| {
        [[true, true], [false, false], [true, true], [false, false], [true, false], [false, true]][usize::from(s)][k]
    };
    let down = |s: u8, k: usize| {
        [[false, false], [true, true], [true, true], [false, false], [false, true], [true, false]][usize::from(s)][k]
    };
    let step = |up: bool| if up { 1i32 } else { -1 };
    let mut h = vec![vec![0i32; cols + 1]; rows + 1];
    for r in 0..=rows {
        if r > 0 {
            h[r][0] = h[r - 1][0] + step(right(x[lattice.site(r - 1, 0)], 0));
        }
        for c in 1..=cols {
            let crossed =
                if r < rows { down(x[lattice.site(r, c - 1)], 0) } else { down(x[lattice.site(r - 1, c - 1)], 1) };
            h[r][c] = h[r][c - 1] + step(!crossed);
        }
    }
    let all = || h.iter().flatten().copied();
    let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let steps = (most - least).max(1);
    let (dark, light) = ([24.0, 45.0, 84.0], [250.0, 226.0, 160.0]);
    let colour = |k: i32| {
        let t = f64::from(k) / f64::from(steps);
        let mixed: Vec<u8> = (0..3).map(|i| (dark[i] + t * (light[i] - dark[i])).round() as u8).collect();
        format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2])
    };
    let colours: Vec<String> = (0..=steps).map(colour).collect();
    let mut paths = vec![String::new(); colours.len()];
    for (r, row) in h.iter().enumerate() {
        for (c, height) in row.iter().enumerate() {
            let _ = write!(paths[(height - least) as usize], "M{c} {r}h1v1h-1z"); // to a string, never fails
        }
    }
    svg(cols + 1, rows + 1, paths.iter().zip(colours.iter().map(String::as_str)), CRISP)
}

/// Bonds of equal spins as rhombi of the two triangles beside them, in the three colours of their directions: at
/// zero temperature each triangle has one such bond and the plane is tiled, a heap of cubes to the eye. A
/// triangle of three equal spins is covered by three.
pub fn rhombi(lattice: Square, x: &[u8]) -> String {
    let (rows, cols) = (lattice.rows() as i32, lattice.cols() as i32);
    let colours = ["#f1e3c6", "#c8553d", "#2a6f97"];
    let mut paths = [const { String::new() }; 3];
    let inside = |(r, c): (i32, i32)| (0..rows).contains(&r) && (0..cols).contains(&c);
    let spin = |(r, c): (i32, i32)| x[(r * cols + c) as usize];
    let height = 0.75f32.sqrt();
    // Sites lie at `triangular_position`, with `y` downwards and all of them to the right of zero.
    let place = |(r, c): (i32, i32)| format!("{} {:.4}", c as f32 + 0.5 * (rows - 1 - r) as f32, height * r as f32);
    for r in 0..rows {
        for c in 0..cols {
            // The other end of the bond, and the tips of the triangles on its two sides.
            let bonds = [
                ((r, c + 1), [(r - 1, c), (r + 1, c + 1)]),
                ((r + 1, c), [(r + 1, c + 1), (r, c - 1)]),
                ((r + 1, c + 1), [(r + 1, c), (r, c + 1)]),
            ];
            for ((end, [left, right]), path) in bonds.into_iter().zip(&mut paths) {
                if inside(end) && spin((r, c)) == spin(end) {
                    let corners = [(r, c), left, end, right].into_iter().filter(|&k| inside(k)).map(place);
                    let _ = write!(path, "M{}z", corners.collect::<Vec<_>>().join("L")); // to a string, never fails
                }
            }
        }
    }
    let (width, height) = (cols as usize + rows as usize / 2, (height * rows as f32).ceil() as usize);
    svg(width, height, paths.iter().zip(colours), "stroke=\"#fff\" stroke-width=\".06\" stroke-linejoin=\"round\"")
}

/// Spins in two tones; in one colour where more bonds along the row than along the column have equal spins, in
/// another where fewer.
pub fn stripes(lattice: Square, x: &[u8]) -> String {
    let colours = ["#12355b", "#8fb8de", "#7a1f1f", "#efb09a", "#555555", "#dddddd"];
    let mut paths = [const { String::new() }; 6];
    for (j, &spin) in x.iter().enumerate() {
        let [right, left, below, above, ..] = lattice.neighbours(j);
        let equal = |two: [Option<_>; 2]| two.into_iter().flatten().filter(|n: &Neighbour| x[n.site] == spin).count();
        let kind = match equal([right, left]).cmp(&equal([below, above])) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Less => 2,
            std::cmp::Ordering::Equal => 4,
        };
        let (r, c) = lattice.place(j);
        let _ = write!(paths[kind + usize::from(spin & 1)], "M{c} {r}h1v1h-1z"); // to a string, never fails
    }
    svg(lattice.cols(), lattice.rows(), paths.iter().zip(colours), CRISP)
}

/// Spins in two colours.
pub fn spins(lattice: Square, x: &[u8]) -> String {
    let mut paths = [const { String::new() }; 2];
    for (j, &spin) in x.iter().enumerate() {
        let (r, c) = lattice.place(j);
        let _ = write!(paths[usize::from(spin & 1)], "M{c} {r}h1v1h-1z"); // to a string, never fails
    }
    svg(lattice.cols(), lattice.rows(), paths.iter().zip(["#12355b", "#f4e9d8"]), CRISP)
}

/// Paths in their colours on a white ground.
fn svg<'a>(width: usize, height: usize, paths: impl Iterator<Item = (&'a String, &'a str)>, style: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"768\" height=\"{}\" viewBox=\"-1 -1 {} {}\">\n\
         <rect x=\"-1\" y=\"-1\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<g {style}>\n",
        768 * (height + 2) / (width + 2),
        width + 2,
        height + 2,
    );
    for (path, colour) in paths.filter(|(path, _)| !path.is_empty()) {
        let _ = writeln!(out, "<path fill=\"{colour}\" d=\"{path}\"/>"); // to a string, never fails
    }
    out + "</g>\n</svg>\n"
}
