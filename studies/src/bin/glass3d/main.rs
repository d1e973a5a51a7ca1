mod speed;
use tensorjump::lattice::CubicCouplings;
fn main() {
    for gauss in [false, true] {
    for l in [8usize, 16] {
        let lattice = speed::cube(l).unwrap();
        let c = if gauss { CubicCouplings::gaussian(lattice, 1) } else { CubicCouplings::plus_minus(lattice, 1) };
        for name in speed::MOVES {
            let (ns, a) = speed::of(&c, 1.0, speed::of_name(name).unwrap(), 1).unwrap();
            println!("{gauss} {l} {name}: {ns:.2} ns {a:.6}");
        }
    } }
}
