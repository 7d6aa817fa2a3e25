//! Bugs that a test can put into the parts that are simulated, to show that the rules find them.

/// What a process does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Orders leave before the claim is durable.
    OrdersBeforeAppend,
    /// A worker is told that its reports are durable before they are.
    ReceiptBeforeAppend,
    /// A worker that comes back does not say what it has.
    HeldNotTold,
    /// A worker that comes back does not say again what was not heard.
    UnheardForgotten,
    /// A scheduler that takes over waits for nobody.
    NoPatience,
}
