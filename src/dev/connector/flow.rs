//! Transfers at the company's own data plane, which is Tidegate: what it is told, and what its refusal does.

use super::Connector;
use super::catalog::FORMAT;
use super::course::{Course, Role};
use super::message::{DataAddress, Message, Why};
use super::plane::{About, PlaneError, Told};
use super::protocol::Refused;
use super::store::TransferRecord;
use super::transfer::TransferStep;
use crate::ids::Bpnl;

impl Connector {
    /// Takes the first message of a transfer. Its name, or that of the one the consumer began before.
    pub(super) fn take_transfer_request(&self, client: Bpnl, message: &Message) -> Result<String, Refused> {
        let Message::TransferRequestMessage {
            consumer_pid,
            agreement_id,
            format,
            callback_address,
            ..
        } = message
        else {
            return Err(Refused::Wrong(format!("a {} begins no transfer", message.kind())));
        };
        let now = self.0.clock.now();
        let (pid, is_new) = self.with(|store| {
            let known = store.transfers.values().find(|record| {
                record.role == Role::Provider
                    && record.peer.participant == client
                    && record.peer.pid.as_ref() == Some(consumer_pid)
            });
            if let Some(record) = known {
                return Ok((record.pid.clone(), false));
            }
            // Another's agreement is as one that is not there.
            let agreement = store.agreements.get(agreement_id);
            let agreement = agreement
                .filter(|agreement| agreement.consumer == client && agreement.provider == self.participant())
                .ok_or_else(|| Refused::Wrong(format!("there is no agreement `{agreement_id}` between us")))?;
            if format != FORMAT {
                return Err(Refused::Wrong(format!("`{format}` is not offered; `{FORMAT}` is")));
            }
            let mut course = Course::default();
            course.receive(Role::Consumer, TransferStep::Request)?;
            let peer = Self::peer(client, callback_address, Some(consumer_pid));
            let record = TransferRecord::new(Role::Provider, course, peer, agreement, format, now);
            let pid = record.pid.clone();
            store.transfers.insert(pid.clone(), record);
            Ok::<_, Refused>((pid, true))
        })?;
        if is_new {
            let (connector, pid) = (self.clone(), pid.clone());
            self.react(callback_address, async move { connector.start_transfer(&pid).await });
        }
        Ok(pid)
    }

    /// Has the data plane start a transfer, and hands over where the data is.
    pub(super) async fn start_transfer(&self, pid: &str) {
        let begun = self.begin_flow(pid, "start").await;
        match begun {
            // It is not ready yet, and will call back when it is.
            Ok(state) if state.ends_with("ING") => {}
            Ok(_) => self.hand_over(pid).await,
            Err(error) => self.end_transfer(pid, error.to_string(), refusal(&error)).await,
        }
    }

    /// Tells the consumer where the data is.
    pub(super) async fn hand_over(&self, pid: &str) {
        let sent = self.tell_transfer(pid, |record, pids| Message::TransferStartMessage {
            pids,
            data_address: record.address.clone().map(DataAddress::spelled_out),
        });
        if let Err(error) = sent.await {
            let over = self.with(|store| {
                let state = store.transfers.get(pid).and_then(|record| record.course.state());
                state.is_none_or(|state| state.is_over())
            });
            if !over {
                self.end_transfer(pid, error.to_string(), Why::new("failed", [error.to_string()]))
                    .await;
            }
        }
    }

    /// Begins a flow at our data plane (`start` or `prepare`) and remembers it. The flow's state.
    pub(super) async fn begin_flow(&self, pid: &str, verb: &str) -> Result<String, PlaneError> {
        let found = self.with(|store| {
            let record = store.transfers.get(pid)?.clone();
            let plane = store
                .planes
                .values()
                .find(|plane| plane.formats.contains(&record.format));
            Some((record, plane.cloned()))
        });
        let failed = |said: &str| PlaneError::Failed(said.to_owned());
        let (record, plane) = found.ok_or_else(|| failed("there is no such transfer"))?;
        let plane = plane.ok_or_else(|| failed("none is registered for this kind of transfer"))?;
        let callback = self.signaling_url();
        let about = About {
            own: self.participant(),
            other: record.peer.participant,
            process: pid,
            agreement: &record.agreement,
            asset: &record.asset,
            format: &record.format,
            callback: &callback,
        };
        let flow = plane.begin(&self.0.http, &self.0.clock, verb, &about).await?;
        self.with(|store| {
            if let Some(record) = store.transfers.get_mut(pid) {
                record.flow = Some(flow.data_flow_id);
                if flow.data_address.is_some() {
                    record.address = flow.data_address;
                }
            }
        });
        Ok(flow.state)
    }

    /// Goes on with a suspended transfer, as the consumer asked, or ends it if our data plane does not.
    pub(super) async fn go_on(&self, pid: &str) {
        match self.resume_flow(pid).await {
            Ok(()) => self.hand_over(pid).await,
            Err(error) => self.end_transfer(pid, error.to_string(), refusal(&error)).await,
        }
    }

    /// Has our data plane go on with a flow, and remembers where the data is now.
    pub(super) async fn resume_flow(&self, pid: &str) -> Result<(), PlaneError> {
        let found = self.with(|store| {
            let record = store.transfers.get(pid)?;
            let plane = store
                .planes
                .values()
                .find(|plane| plane.formats.contains(&record.format))?;
            Some((plane.clone(), record.flow.clone()?))
        });
        let (plane, flow) = found.ok_or_else(|| PlaneError::Failed("there is no flow to go on with".into()))?;
        let told = Told::default();
        let address = plane.tell(&self.0.http, &self.0.clock, &flow, "resume", told).await?;
        self.with(|store| {
            if let (Some(record), Some(address)) = (store.transfers.get_mut(pid), address) {
                record.address = Some(address);
            }
        });
        Ok(())
    }

    /// Tells our data plane what became of a transfer, if it has part in it.
    pub(super) async fn tell_plane(&self, pid: &str, flow: Option<&str>, verb: &str, reason: Option<&str>) {
        let Some(flow) = flow else { return };
        let found = self.with(|store| {
            let record = store.transfers.get(pid)?;
            let plane = store
                .planes
                .values()
                .find(|plane| plane.formats.contains(&record.format))?;
            Some((
                plane.clone(),
                record
                    .address
                    .clone()
                    .filter(|_| record.role == Role::Consumer && ["started", "resume"].contains(&verb)),
            ))
        });
        let Some((plane, address)) = found else { return };
        let told = Told {
            reason,
            address: address.as_ref(),
        };
        let answer = plane.tell(&self.0.http, &self.0.clock, flow, verb, told).await;
        match answer {
            Ok(_) => {}
            Err(error) if verb == "resume" || verb == "started" => {
                // Boxed, for ending a transfer tells the plane again.
                Box::pin(self.end_transfer(pid, error.to_string(), refusal(&error))).await;
            }
            Err(error) => {
                tracing::warn!(participant = %self.participant(), pid, verb, error = %error, "the data plane was not told");
            }
        }
    }
}

/// What the other company is told of what our data plane did not do.
fn refusal(error: &PlaneError) -> Why {
    match error {
        PlaneError::Refused(reason) => Why::new("denied", [reason.clone()]),
        PlaneError::Failed(_) => Why::new("unavailable", ["the data plane failed; ask again later".to_owned()]),
    }
}
