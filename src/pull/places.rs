//! How much is fetched at once: pages in memory, of all companies and of one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ids::TenantId;

/// Places for pages. One is had while a page is asked for, read and taken in, not while its turn is waited for; and no company has more than
/// its share. So one whose supplier is slow waits for that supplier, and others do not wait for it.
#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    share: usize,
    of: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A place, had until it is dropped.
#[derive(Debug)]
pub struct Place {
    _own: OwnedSemaphorePermit,
    _one: OwnedSemaphorePermit,
}

impl Places {
    /// So many places, of which one company has at most `share`.
    pub fn new(all: usize, share: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            share,
            of: Mutex::default(),
        }
    }

    /// Waits for a place; none where there are no more, which is never.
    pub async fn take(&self, tenant: TenantId) -> Option<Place> {
        let own = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            let own = of.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(self.share)));
            Arc::clone(own)
        };
        // First what is the company's own: whoever waits here keeps nobody else from a place.
        let own = own.acquire_owned().await.ok()?;
        let one = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _own: own, _one: one })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_company_does_not_take_anothers_places() {
        let places = Places::new(3, 2);
        let tenant = |text: &str| -> TenantId { text.parse().unwrap() };
        let (elbe, isar) = (tenant("BPNL000000000DWF"), tenant("BPNL00000000B2CD"));
        let first = places.take(elbe).await.unwrap();
        let _second = places.take(elbe).await.unwrap();
        assert!(places.take(elbe).now_or_never().is_none(), "its share is used up");
        let third = places.take(isar).now_or_never().flatten();
        assert!(third.is_some(), "a place is left for another");
        assert!(places.take(isar).now_or_never().is_none(), "all are taken");
        drop(first);
        assert!(places.take(elbe).now_or_never().flatten().is_some());
    }
}
