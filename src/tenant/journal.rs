//! A run: the decision that permits it, and its steps in the tenant's log.

use super::{Office, PassageError, Told, Watch};
use crate::ids::{RecordId, TenantId};
use crate::ledger::record::{Passage, Progress, Request, Step};
use crate::ledger::{Entry, Event, LogId};
use crate::question::Action;
use crate::question::ask;
use crate::registry::Tenant;

/// How many characters of what was done are recorded.
const MAX_WHAT: usize = 4_000;

/// A run that was permitted.
pub(super) struct Run {
    tenant: TenantId,
    passage: Passage,
    by: String,
    decision: RecordId,
}

impl Office<'_> {
    /// Asks policy whether the operator may.
    pub(super) async fn permitted(&self, action: Action, tenant: &Tenant) -> Result<RecordId, PassageError> {
        let question = ask::tenancy(
            &self.operator.name,
            &self.operator.roles,
            action,
            tenant,
            self.clock.now(),
        );
        let request = Request {
            id: crate::ids::RequestId::new(),
            traceparent: None,
        };
        let recorded = self.gate.decide(question, Some(tenant.id), &request).await?;
        recorded.permit().map(|permit| permit.record()).map_err(|refusal| {
            let policies = &refusal.decision().cedar.policies;
            PassageError::Denied {
                operator: self.operator.name.clone(),
                why: match policies.is_empty() {
                    true => format!(
                        "no policy permits `{action}` to them while the tenant is {}",
                        tenant.state.as_str()
                    ),
                    false => policies.join(", "),
                },
                record: refusal.record(),
            }
        })
    }

    pub(super) fn run(&self, tenant: TenantId, passage: Passage, decision: RecordId) -> Run {
        Run {
            tenant,
            passage,
            by: ask::operator_id(&self.operator.name),
            decision,
        }
    }

    /// Makes one step: recorded before and after. What it gives is what was done; nothing where all was as it should be.
    pub(super) async fn step(
        &self,
        run: &Run,
        step: &'static str,
        watch: Watch<'_>,
        work: impl Future<Output = Result<Vec<String>, String>>,
    ) -> Result<(), PassageError> {
        let mut tell = |progress, what: &str| {
            let tenant = run.tenant;
            watch(&Told {
                tenant,
                step,
                progress,
                what,
            })
        };
        if !tell(Progress::Begun, "") {
            return Err(PassageError::Stopped(step));
        }
        self.note(run, step, Progress::Begun, None).await?;
        match work.await {
            Ok(done) => {
                let what = done.join("; ");
                let progress = if done.is_empty() {
                    Progress::Kept
                } else {
                    Progress::Done
                };
                self.note(run, step, progress, Some(&what)).await?;
                tell(progress, &what);
                Ok(())
            }
            Err(why) => {
                // Where this cannot be recorded, what is recorded says that the step may be half done, which is so.
                self.note(run, step, Progress::Failed, Some(&why)).await?;
                tell(Progress::Failed, &why);
                Err(PassageError::Step { step, why })
            }
        }
    }

    async fn note(&self, run: &Run, step: &str, progress: Progress, what: Option<&str>) -> Result<(), PassageError> {
        let what = what.filter(|what| !what.is_empty());
        let event = Event::Step(Box::new(Step {
            by: run.by.clone(),
            decision: run.decision,
            passage: run.passage,
            progress,
            step: step.to_owned(),
            tenant: run.tenant,
            what: what.map(|what| what.chars().take(MAX_WHAT).collect()),
        }));
        let entry = Entry::event(LogId::Tenant(run.tenant), event);
        self.gate.ledger().append(entry).await?;
        Ok(())
    }
}
