//! tempering
