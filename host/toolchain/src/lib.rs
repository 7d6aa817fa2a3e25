//! Finds or prepares the compiler for guests
