//! x
mod common;
#[path = "reverse_time/ratio.rs"]
mod ratio;
fn main() -> Result<(), common::Failure> {
    for _ in 0..5 {
        let (rates, draws) = ratio::measure(41)?;
        println!("rates {rates:.3e} s, tilted draw {draws:.3e} s, ratio {:.3}", rates / draws);
    }
    Ok(())
}
