//! Whether this process is told to end, from its start on: a signal is not lost between two queries.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// What is said then.
pub(crate) const STOPPED: &str = "this process was told to end";

/// Tells it.
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// From here on SIGINT and SIGTERM end nothing by themselves.
    ///
    /// # Errors
    ///
    /// The system does not let this process listen.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tell.send_replace(true);
        });
        Ok(Self(told))
    }

    /// Waits until it is told.
    pub(crate) async fn told(&self) {
        // The one who tells lives until then.
        let _ = self.0.clone().wait_for(|told| *told).await;
    }
}
