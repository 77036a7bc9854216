//! A changed bundle comes into force while the service runs: a new one is loaded, recorded and swapped in, a bad one is
//! refused and the last good one stays.

use tokio::signal::unix::{SignalKind, signal};

use super::Shared;
use crate::bundle::Changes;
use crate::decide::ReloadError;

/// Loads the bundle again whenever its files change or `SIGHUP` says so; runs until it is aborted.
pub async fn reload(app: Shared) {
    let mut changes = app.gate.live().directory().and_then(|root| match Changes::below(root) {
        Ok(changes) => Some(changes),
        Err(error) => {
            tracing::warn!(error = %error, "the bundle's directory cannot be watched; SIGHUP still reloads it");
            None
        }
    });
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::warn!(error = %error, "SIGHUP cannot be waited for");
            return;
        }
    };
    loop {
        let changed = async {
            let seen = match &mut changes {
                Some(changes) => changes.next().await,
                None => false,
            };
            if !seen {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => {}
            _ = hangup.recv() => {}
        }
        match app.gate.reload(app.clock.now()).await {
            Ok(true) => tracing::info!(bundle = %app.gate.live().current().digest, "a new bundle is in force"),
            Ok(false) => tracing::info!("the bundle on disk is the one in force"),
            Err(ReloadError::Bundle(error)) => {
                tracing::error!(error = %error, "the bundle on disk was refused; the last good one stays in force");
                eprintln!("{}", error.render());
            }
            Err(error) => tracing::error!(error = %error, "the bundle on disk was not put in force"),
        }
    }
}
