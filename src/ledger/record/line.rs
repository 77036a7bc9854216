//! A decision's record, read where it lies.
//!
//! A ledger is nearly all decisions, and whoever verifies or replays it reads every one. [`Record::parse`] builds the whole of it and
//! writes it again to see that it is canonical; that is most of what reading costs. But canonical JSON has one spelling: the members
//! of a decision stand in one order, with nothing between them. So a single pass that accepts just this spelling both reads the
//! record and shows that it is canonical, and copies nothing.
//!
//! What it does not accept is not refused: [`Read::of`] then asks [`Record::parse`], whose word is the last. So the pass may be
//! narrow, and it is: whatever it reads, `Record::parse` reads the same (a test holds that for changed bytes too).

use std::borrow::Cow;
use std::str::FromStr;

use jiff::tz::TimeZone;

use super::{Event, LogId, Mode, Private, Record, RecordError, RecordTime};
use crate::decision::Effect;
use crate::ids::{Digest, RecordId, RequestId, TenantId};

/// A decision's record in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'r> {
    /// The Cedar action's entity id.
    pub action: Text<'r>,
    /// The bundle that answered.
    pub bundle: Digest,
    /// The answer, as canonical JSON of a [`Decision`](crate::decision::Decision).
    pub decision: &'r str,
    /// What followed.
    pub effect: Effect,
    /// What evaluated the question, as canonical JSON of an [`Engine`](super::Engine).
    pub engine: &'r str,
    /// The record's id.
    pub id: RecordId,
    /// The log it belongs to.
    pub log: LogId,
    /// When the answer could leave.
    pub mode: Mode,
    /// Who asked, as in [`Decided::principal`](super::Decided::principal).
    pub principal: Text<'r>,
    /// What is not in the record, by commitments.
    pub private: Private,
    /// The Cedar resource's entity id.
    pub resource: Text<'r>,
    /// The record's number in its log.
    pub seq: u64,
    /// The tenant whose thing was asked for.
    pub tenant: Option<TenantId>,
    /// When it was written.
    pub time: RecordTime,
    /// The terms, as they are spelled between the brackets.
    terms: &'r str,
}

/// A text as it stands in canonical JSON, between its quotes; of all escapes, only `\"` and `\\` can be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'r>(&'r str);

impl<'r> Text<'r> {
    /// The text.
    pub fn get(self) -> Cow<'r, str> {
        if memchr::memchr(b'\\', self.0.as_bytes()).is_none() {
            return Cow::Borrowed(self.0);
        }
        let (mut plain, mut escaped) = (String::with_capacity(self.0.len()), false);
        for char in self.0.chars() {
            escaped = char == '\\' && !escaped;
            if !escaped {
                plain.push(char);
            }
        }
        Cow::Owned(plain)
    }

    /// The text as it is spelled in JSON, without its quotes.
    pub fn spelled(self) -> &'r str {
        self.0
    }
}

impl<'r> Line<'r> {
    /// Reads a decision's record; nothing where it is something else, or spelled in any way that this pass does not know.
    pub fn read(bytes: &'r [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        // No string of JSON holds a control character, and between strings nothing stands but what is looked for below.
        if text.bytes().fold(false, |found, byte| found | (byte < 0x20)) {
            return None;
        }
        let mut at = Reading(text);
        at.skip(r#"{"event":{"kind":"decision","what":{"action":"#)?;
        let action = at.text()?;
        at.skip(r#","bundle":"#)?;
        let bundle = at.named()?;
        at.skip(r#","decision":"#)?;
        let (decision, effect) = at.span(Reading::decision)?;
        at.skip(r#","engine":"#)?;
        let (engine, ()) = at.span(Reading::engine)?;
        at.skip(r#","mode":"#)?;
        let mode = at.mode()?;
        at.skip(r#","principal":"#)?;
        let principal = at.text()?;
        at.skip(r#","private":{"asked":"#)?;
        let asked = at.named()?;
        at.skip(r#","entities":"#)?;
        let entities = at.named()?;
        at.skip(r#","period":"#)?;
        let period = at.named()?;
        at.skip(r#"},"request":{"id":"#)?;
        RequestId::fits(at.text()?.spelled()).then_some(())?;
        if at.skip(r#","traceparent":"#).is_some() {
            at.text()?;
        }
        at.skip(r#"},"resource":"#)?;
        let resource = at.text()?;
        let tenant = match at.skip(r#","tenant":"#) {
            Some(()) => Some(at.named()?),
            None => None,
        };
        at.skip(r#","terms":["#)?;
        let (terms, ()) = at.span(Reading::terms)?;
        at.skip(r#"]}},"id":"#)?;
        let id = at.id()?;
        at.skip(r#","log":"#)?;
        let log = at.named()?;
        at.skip(r#","seq":"#)?;
        let seq = at.number()?;
        at.skip(r#","time":"#)?;
        let time = at.time()?;
        at.skip(r#","v":2}"#)?;
        let private = Private {
            asked,
            entities,
            period,
        };
        at.0.is_empty().then_some(Self {
            action,
            bundle,
            decision,
            effect,
            engine,
            id,
            log,
            mode,
            principal,
            private,
            resource,
            seq,
            tenant,
            time,
            terms,
        })
    }

    /// The terms of the agreements in the question.
    pub fn terms(&self) -> impl Iterator<Item = Digest> + 'r {
        self.terms
            .split(',')
            .filter_map(|quoted| quoted.strip_prefix('"')?.strip_suffix('"')?.parse().ok())
    }
}

/// What is left to be read.
struct Reading<'r>(&'r str);

impl<'r> Reading<'r> {
    fn skip(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// What `read` reads, and how it is spelled.
    fn span<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<(&'r str, T)> {
        let before = self.0;
        let value = read(self)?;
        Some((before.get(..before.len() - self.0.len())?, value))
    }

    /// A string that is canonical as it stands.
    fn text(&mut self) -> Option<Text<'r>> {
        let inside = self.0.strip_prefix('"')?;
        let bytes = inside.as_bytes();
        let mut from = 0;
        loop {
            let at = from + memchr::memchr2(b'"', b'\\', bytes.get(from..)?)?;
            if bytes.get(at) == Some(&b'"') {
                self.0 = inside.get(at + 1..)?;
                return inside.get(..at).map(Text);
            }
            if !matches!(bytes.get(at + 1), Some(b'"' | b'\\')) {
                return None;
            }
            from = at + 2;
        }
    }

    /// Something that is named by a text, and by one only.
    fn named<T: FromStr>(&mut self) -> Option<T> {
        let text = self.text()?.spelled();
        text.parse().ok()
    }

    fn mode(&mut self) -> Option<Mode> {
        match self.text()?.spelled() {
            "strict" => Some(Mode::Strict),
            "bounded" => Some(Mode::Bounded),
            _ => None,
        }
    }

    fn id(&mut self) -> Option<RecordId> {
        let text = self.text()?.spelled();
        let id = uuid::Uuid::try_parse(text).ok()?;
        let mut spelled = uuid::Uuid::encode_buffer();
        (id.hyphenated().encode_lower(&mut spelled) == text).then_some(RecordId(id))
    }

    fn number(&mut self) -> Option<u64> {
        let end = self.0.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (digits, rest) = self.0.split_at_checked(end)?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        self.0 = rest;
        digits.parse().ok()
    }

    /// An instant of this era, with milliseconds.
    fn time(&mut self) -> Option<RecordTime> {
        let text = self.text()?.spelled().as_bytes();
        let (date, clock) = text.split_first_chunk::<10>()?;
        let clock: &[u8; 14] = clock.try_into().ok()?;
        let [y3, y2, y1, y0, b'-', mo1, mo0, b'-', d1, d0] = *date else {
            return None;
        };
        let [b'T', h1, h0, b':', m1, m0, b':', s1, s0, b'.', f2, f1, f0, b'Z'] = *clock else {
            return None;
        };
        let digits = |digits: &[u8]| {
            digits.iter().try_fold(0_i32, |value, digit| {
                digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0'))
            })
        };
        let small = |text: &[u8]| i8::try_from(digits(text)?).ok();
        let year = i16::try_from(digits(&[y3, y2, y1, y0])?).ok()?;
        let date = jiff::civil::Date::new(year, small(&[mo1, mo0])?, small(&[d1, d0])?).ok()?;
        let nanos = digits(&[f2, f1, f0])? * 1_000_000;
        let (hour, minute, second) = (small(&[h1, h0])?, small(&[m1, m0])?, small(&[s1, s0])?);
        let clock = jiff::civil::Time::new(hour, minute, second, nanos).ok()?;
        let instant = date.to_datetime(clock).to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(RecordTime::new(instant))
    }

    fn effect(&mut self) -> Option<Effect> {
        match self.text()?.spelled() {
            "allow" => Some(Effect::Allow),
            "deny" => Some(Effect::Deny),
            _ => None,
        }
    }

    fn texts(&mut self) -> Option<()> {
        self.skip("[")?;
        if self.skip("]").is_some() {
            return Some(());
        }
        loop {
            self.text()?;
            if self.skip("]").is_some() {
                return Some(());
            }
            self.skip(",")?;
        }
    }

    fn decision(&mut self) -> Option<Effect> {
        self.skip(r#"{"cedar":{"decision":"#)?;
        self.effect()?;
        self.skip(r#","errors":"#)?;
        self.texts()?;
        self.skip(r#","policies":"#)?;
        self.texts()?;
        self.skip(r#"},"effect":"#)?;
        let effect = self.effect()?;
        self.skip(r#","iam":{"#)?;
        if self.skip(r#""evaluated":{"decision":"#).is_some() {
            if !matches!(self.text()?.spelled(), "allowed" | "explicitDeny" | "implicitDeny") {
                return None;
            }
            self.skip(r#","statements":"#)?;
            self.texts()?;
        } else {
            self.skip(r#""not-applicable":{"reason":"#)?;
            self.text()?;
        }
        self.skip("}}}")?;
        Some(effect)
    }

    fn engine(&mut self) -> Option<()> {
        self.skip(r#"{"cedar":"#)?;
        self.text()?;
        self.skip(r#","tidegate":"#)?;
        self.text()?;
        self.skip("}")
    }

    /// Digests in their order, each once.
    fn terms(&mut self) -> Option<()> {
        if !self.0.starts_with('"') {
            return Some(());
        }
        let mut last: Digest = self.named()?;
        while self.skip(",").is_some() {
            let digest: Digest = self.named()?;
            if last >= digest {
                return None;
            }
            last = digest;
        }
        Some(())
    }
}

/// A record, read as far as is needed.
#[derive(Debug)]
pub enum Read<'r> {
    /// A decision in the spelling that nearly all have.
    Line(Box<Line<'r>>),
    /// Any other.
    Record(Box<Record>),
}

impl<'r> Read<'r> {
    /// Reads a record and holds it to its canonical form.
    ///
    /// # Errors
    ///
    /// As [`Record::parse`].
    pub fn of(bytes: &'r [u8]) -> Result<Self, RecordError> {
        match Line::read(bytes) {
            Some(line) => Ok(Self::Line(Box::new(line))),
            None => Record::parse(bytes).map(Box::new).map(Self::Record),
        }
    }

    /// The log it belongs to.
    pub fn log(&self) -> LogId {
        match self {
            Self::Line(line) => line.log,
            Self::Record(record) => record.log,
        }
    }

    /// Its number in its log.
    pub fn seq(&self) -> u64 {
        match self {
            Self::Line(line) => line.seq,
            Self::Record(record) => record.seq,
        }
    }

    /// When its answer could leave, where it is a decision's.
    pub fn mode(&self) -> Option<Mode> {
        match self {
            Self::Line(line) => Some(line.mode),
            Self::Record(record) => match &record.event {
                Event::Decision(decided) => Some(decided.mode),
                _ => None,
            },
        }
    }

    /// Its id.
    pub fn id(&self) -> RecordId {
        match self {
            Self::Line(line) => line.id,
            Self::Record(record) => record.id,
        }
    }

    /// When it was written.
    pub fn time(&self) -> RecordTime {
        match self {
            Self::Line(line) => line.time,
            Self::Record(record) => record.time,
        }
    }
}

/// What a record names, once its bytes are gone.
#[derive(Debug)]
pub enum Named {
    /// A decision: the bodies it names, and what is private in it.
    Decision(Vec<Digest>, Private),
    /// Anything else.
    Event(Box<Record>),
}

impl Named {
    /// What a record names.
    pub fn of(read: Read<'_>) -> Self {
        match read {
            Read::Line(line) => {
                let bodies = std::iter::once(line.bundle).chain(line.terms()).collect();
                Self::Decision(bodies, line.private)
            }
            Read::Record(record) => match &record.event {
                Event::Decision(decided) => Self::Decision(record.event.bodies(), decided.private),
                _ => Self::Event(record),
            },
        }
    }

    /// The digests whose bodies must be kept beside the log, as [`Event::bodies`].
    pub fn bodies(&self) -> Cow<'_, [Digest]> {
        match self {
            Self::Decision(bodies, _) => Cow::Borrowed(bodies),
            Self::Event(record) => Cow::Owned(record.event.bodies()),
        }
    }
}
