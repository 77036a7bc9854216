//! What a data plane reports to its connector: `POST transfers/{id}/dataflow/{prepared,started,completed,errored}`.

use serde::Deserialize;

use super::message::{DataAddress, Message, Why};
use super::{Answer, Call, Connector};

/// The report, of which a connector needs this much.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(default)]
    data_address: Option<DataAddress>,
    #[serde(default)]
    error: Option<String>,
}

impl Connector {
    /// Answers the data plane. It signs in with the connector's API key.
    pub(super) async fn signaling(&self, call: Call<'_>) -> Answer {
        if !self.knows_key(call) {
            return Answer::bare(401);
        }
        let segments: Vec<_> = call.path.split('/').collect();
        let ("POST", ["transfers", pid, "dataflow", event]) = (call.method, segments.as_slice()) else {
            return Answer::bare(404);
        };
        let report: Report = match call.body {
            [] => Report::default(),
            body => match crate::json::read(body) {
                Ok(report) => report,
                Err(_) => return Answer::bare(400),
            },
        };
        if !self.with(|store| store.transfers.contains_key(*pid)) {
            return Answer::bare(404);
        }
        match *event {
            // A consumer's plane is asked and answers at once; that it is ready is no news.
            "prepared" => {}
            "started" => {
                self.with(|store| {
                    if let (Some(record), Some(address)) = (store.transfers.get_mut(*pid), report.data_address) {
                        record.address = Some(address);
                    }
                });
                let (connector, pid) = (self.clone(), (*pid).to_owned());
                self.later(async move { connector.hand_over(&pid).await });
            }
            "completed" => {
                let (connector, pid) = (self.clone(), (*pid).to_owned());
                self.later(async move {
                    let told = connector.tell_transfer(&pid, |_, pids| Message::TransferCompletionMessage { pids });
                    if let Err(error) = told.await {
                        tracing::warn!(pid, error = %error, "a completion was not taken");
                    }
                });
            }
            "errored" => {
                let error = report.error.unwrap_or_else(|| "the data plane ended the flow".into());
                let (connector, pid) = (self.clone(), (*pid).to_owned());
                self.later(async move {
                    connector
                        .end_transfer(&pid, error.clone(), Why::new("data-plane", [error]))
                        .await;
                });
            }
            _ => return Answer::bare(404),
        }
        Answer::bare(200)
    }
}
