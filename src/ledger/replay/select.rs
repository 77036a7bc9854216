//! Which decisions are made again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::told::Told;
use crate::ids::{Bpnl, Digest, RecordId, TenantId};
use crate::ledger::record::{LogId, RecordTime};

/// Which decisions to make again: those that fit all that is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Only records from this instant on.
    pub since: Option<Timestamp>,
    /// Only records before this instant.
    pub until: Option<Timestamp>,
    /// Only those about what is that tenant's.
    pub tenant: Option<TenantId>,
    /// Only those of that principal: an entity id such as `Partner::"BPNL00000000C3EF"`, or what stands between its quotes.
    pub principal: Option<String>,
    /// Only those of that Cedar action.
    pub action: Option<String>,
    /// Only those in which that company asked as a partner.
    pub partner: Option<Bpnl>,
    /// Only this share of them.
    pub sample: Option<Share>,
}

/// A share, above 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

/// Not a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a share; expected a number above 0 and at most 1, such as 0.01")]
pub struct NoShare(String);

impl std::str::FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let share = text.parse().ok().and_then(|share: f64| Self::try_from(share).ok());
        share.ok_or_else(|| NoShare(text.escape_debug().take(20).collect()))
    }
}

impl TryFrom<f64> for Share {
    type Error = NoShare;

    fn try_from(share: f64) -> Result<Self, NoShare> {
        match share > 0.0 && share <= 1.0 {
            true => Ok(Self(share)),
            false => Err(NoShare(share.to_string())),
        }
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> Self {
        share.0
    }
}

impl Share {
    /// Whether a record is in the sample. Its id decides, so that the same records are in it each time, whatever else there is.
    fn takes(self, id: RecordId) -> bool {
        let [a, b, c, d, ..] = *Digest::of(id.0.as_bytes()).as_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < self.0 * (f64::from(u32::MAX) + 1.0)
    }
}

impl Selection {
    /// Whether a log can have any that fit.
    pub(super) fn reads(&self, log: LogId) -> bool {
        self.tenant.is_none_or(|tenant| log == LogId::Tenant(tenant))
    }

    /// Whether a record's time fits.
    pub(super) fn spans(&self, time: RecordTime) -> bool {
        let time = time.timestamp();
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    /// Whether any record of a row group can fit, whose records were written within those times (milliseconds since 1970) and whose
    /// decisions, where all of it are, have actions between those two.
    pub(super) fn may_fit(&self, time: Option<(i64, i64)>, action: Option<&(String, String)>) -> bool {
        let times = time.is_none_or(|(first, last)| {
            self.since.is_none_or(|since| last >= since.as_millisecond())
                && self.until.is_none_or(|until| first <= until.as_millisecond())
        });
        let actions = || {
            let within = |wanted: &String| action.is_none_or(|(least, most)| least <= wanted && wanted <= most);
            self.action.as_ref().is_none_or(within)
        };
        times && actions()
    }

    /// Whether a decision fits, its time aside. `principal` is who asked, with a person's name in place of the pseudonym where that
    /// is known.
    pub(super) fn fits(&self, told: &Told<'_>, principal: impl FnOnce() -> String) -> bool {
        let named = |wanted: &String| {
            [principal().as_str(), &told.principal]
                .iter()
                .any(|known| known == wanted || quoted(known) == Some(wanted))
        };
        self.action.as_ref().is_none_or(|action| *action == told.action)
            && self
                .partner
                .is_none_or(|partner| told.partner() == Some(partner.as_str()))
            && self.sample.is_none_or(|share| share.takes(told.id))
            && self.principal.as_ref().is_none_or(named)
    }
}

/// What stands between an entity id's quotes.
fn quoted(reference: &str) -> Option<&str> {
    reference.split_once("::\"")?.1.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_above_zero_and_at_most_one() {
        for text in ["0", "-0.1", "1.01", "NaN", "x", ""] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert!(["1", "0.5", "0.001"].iter().all(|text| text.parse::<Share>().is_ok()));
    }

    #[test]
    fn a_name_is_found_between_the_quotes() {
        assert_eq!(quoted("Partner::\"BPNL00000000C3EF\""), Some("BPNL00000000C3EF"));
        assert_eq!(quoted("Partner"), None);
    }
}
