//! Reference by enumeration, O(d^N), size-guarded.
