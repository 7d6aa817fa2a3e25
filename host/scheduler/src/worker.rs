//! Joins one worker's channels with the loop's.

use cofferdam_model::{Order, Report, WorkerId};
use tokio::sync::mpsc;

use crate::driver::Message;
use crate::sessions::Connection;

/// Carries orders to a worker and its reports to the loop, until either end is closed; then tells the loop
/// that the connection has ended.
///
/// The inner channel of orders has no bound of its own: the engine sends no more than the worker offered to
/// take, so the loop never waits for a worker that is slow to read.
pub(crate) async fn carry(
    worker: WorkerId,
    connection: Connection,
    mut inner_orders: mpsc::UnboundedReceiver<Vec<Order>>,
    orders: mpsc::Sender<Vec<Order>>,
    mut reports: mpsc::Receiver<Vec<Report>>,
    messages: mpsc::Sender<Message>,
) {
    let out = async {
        while let Some(batch) = inner_orders.recv().await {
            if orders.send(batch).await.is_err() {
                break;
            }
        }
    };
    let home = async {
        while let Some(batch) = reports.recv().await {
            if messages.send(Message::Reports { worker, connection, reports: batch }).await.is_err() {
                break;
            }
        }
    };
    // Reports that were sent before the worker closed its order channel still count.
    tokio::pin!(home);
    tokio::select! {
        () = out => {}
        () = &mut home => {}
    }
    // A loop that has ended needs no farewell.
    let _ = messages.send(Message::Left { worker, connection }).await;
}
