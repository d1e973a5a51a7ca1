//! The laws and their labels.

use tensorjump::Target;
use tensorjump::dense::DenseLaw;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{Automaton, Boundary, LabelLeg, PositiveMps};

use tensorjump_studies::Failure;

/// A model with its label, and the law given the label by enumeration of the definition.
pub struct Case {
    pub name: String,
    pub leg: LabelLeg<PositiveMps>,
    pub label: usize,
    pub truth: Vec<f64>,
}

impl Case {
    /// `truth ∝ P(x) p(label|x)`.
    fn new(
        name: &str,
        p: &DenseLaw,
        leg: LabelLeg<PositiveMps>,
        label: usize,
        likelihood: impl Fn(&[u8]) -> f64,
    ) -> Result<Self, Failure> {
        let weights: Vec<f64> = p.p().iter().enumerate().map(|(i, w)| w * likelihood(&p.config(i))).collect();
        let truth = DenseLaw::new(p.dims(), &weights)?.p().to_vec();
        Ok(Case { name: name.to_owned(), leg, label, truth })
    }
}

/// A ferromagnetic ring whose label 0 is a magnetisation; label 1 is every other.
pub fn magnetised_ring(sites: usize, spins: i64) -> Result<(LabelLeg<PositiveMps>, i64), Failure> {
    let ring = PositiveMps::ising(0.4, &vec![1.0; sites], &vec![0.0; sites], Boundary::Ring)?;
    let n = sites as i64;
    let leg = LabelLeg::by_sum(&ring, &vec![vec![-1, 1]; sites], &[spins..=spins, -n..=n])?;
    Ok((leg, spins))
}

/// Dyck paths: the state is height and area so far, label 1 the area asked for.
pub fn fredkin_by_area(sites: usize, c: f64, area: i64) -> Result<(PositiveMps, Automaton), Failure> {
    let model = PositiveMps::new(&FredkinModel::new(&Fredkin::new(sites, c)?)?.to_mps()?)?;
    let dims = vec![2; sites + 1];
    let step = |j: usize, &(h, k): &(i64, i64), a: u8| {
        let up = h + 2 * i64::from(a) - 1;
        if j == sites {
            (a == u8::from(k == area)).then_some(((0, 0), 1.0))
        } else {
            (up >= 0).then_some(((up, k + up), 1.0))
        }
    };
    Ok((model, Automaton::new(&dims, (0, 0), step, |_| 1.0)?))
}

/// Four laws on eight sites.
pub fn small() -> Result<Vec<Case>, Failure> {
    let spins = |x: &[u8]| x.iter().map(|&a| 2 * i64::from(a) - 1).sum::<i64>();
    let ring = PositiveMps::ising(0.4, &[1.0; 8], &[0.0; 8], Boundary::Ring)?;
    let p = DenseLaw::of(&ring)?;
    let (sector, m) = magnetised_ring(8, 4)?;
    let magnetised = Case::new("ising ring, M = 4", &p, sector, 0, |x| f64::from(spins(x) == m))?;

    let (paths, labels) = fredkin_by_area(8, 0.55, 10)?;
    let area = |x: &[u8]| {
        let step = |(h, k), &a: &u8| (h + 2 * i64::from(a) - 1, k + h + 2 * i64::from(a) - 1);
        x.iter().fold((0, 0), step).1
    };
    let leg = LabelLeg::by_automaton(&paths, &labels)?;
    let at_area = Case::new("fredkin, area 10", &DenseLaw::of(&paths)?, leg, 1, |x| f64::from(area(x) == 10))?;

    let pattern = [1u8, 0, 0, 1];
    let step = |j: usize, &matched: &bool, a: u8| match pattern.get(j) {
        Some(&b) => Some((matched && a == b, 1.0)),
        None if j < 8 => Some((matched, 1.0)),
        None => (a == u8::from(matched)).then_some((matched, 1.0)),
    };
    let labels = Automaton::new(&[2; 9], true, step, |_| 1.0)?;
    let leg = LabelLeg::by_automaton(&ring, &labels)?;
    let infilled = Case::new("ising ring, half masked", &p, leg, 1, |x| f64::from(x[..4] == pattern))?;

    // Two classes that overlap: the classifier is never sure.
    let classes = [0.3, -0.5].map(|j| PositiveMps::ising(0.8, &[j; 8], &[0.2; 8], Boundary::Ring));
    let [a, b] = classes;
    let (a, b) = (a?, b?);
    let (law_a, law_b) = (DenseLaw::of(&a)?, DenseLaw::of(&b)?);
    let mixed: Vec<f64> = law_a.p().iter().zip(law_b.p()).map(|(a, b)| 0.7 * a + 0.3 * b).collect();
    let mixed = DenseLaw::new(&[2; 8], &mixed)?;
    let leg = LabelLeg::from_classes(&[a, b], &[0.7, 0.3])?;
    let posterior = |x: &[u8]| {
        let i = x.iter().fold(0, |i, &a| 2 * i + usize::from(a));
        0.3 * law_b.p()[i] / mixed.p()[i]
    };
    let classes = Case::new("two classes", &mixed, leg, 1, posterior)?;
    Ok(vec![magnetised, at_area, infilled, classes])
}
