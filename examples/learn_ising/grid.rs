//! The grid over β and χ (written later).
use super::learn::Budget;
use crate::common::Failure;
use std::path::Path;
pub fn run(_out: &Path, _budget: &Budget) -> Result<(), Failure> {
    Ok(())
}
