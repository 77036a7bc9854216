//! Whether a process writes to a ledger, or stands by while another one does.

use std::sync::Arc;

use super::Ledger;
use super::error::LedgerError;

/// Whether a process writes to a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does, and no other.
    Writer,
    /// Another one does, and this one takes over where that one ends. Who it is, in words.
    Standby(Arc<str>),
}

impl Ledger {
    /// Whether this process writes. Where the ledger is a file, a process that has it open does.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Returns once this process writes; at once, where it does.
    ///
    /// # Errors
    ///
    /// The ledger was closed before.
    pub async fn writing(&self) -> Result<(), LedgerError> {
        let mut standing = self.standing.clone();
        let writes = standing.wait_for(|standing| *standing == Standing::Writer).await;
        writes.map(drop).map_err(|_| LedgerError::Closed)
    }

    /// Returns once another process writes in the place of this one, with who it is in words. Never, where the ledger is a file.
    pub async fn displaced(&self) -> Arc<str> {
        let mut standing = self.standing.clone();
        let displaced = standing.wait_for(|standing| *standing != Standing::Writer).await;
        let holder = match displaced.as_deref() {
            Ok(Standing::Standby(holder)) => Some(Arc::clone(holder)),
            _ => None,
        };
        drop(displaced);
        match holder {
            Some(holder) => holder,
            // The ledger was closed: nobody takes over what this process gave up.
            None => std::future::pending().await,
        }
    }
}
