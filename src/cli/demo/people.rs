//! People, and their company's credentials.

use super::WalkError;
use super::cast::Cast;
use super::client::Client;
use super::show::Show;
use crate::http::Shared;

/// Who may read a company's secrets.
pub(super) async fn people(client: &Client, app: &Shared, cast: &Cast, show: &mut Show) -> Result<(), WalkError> {
    let Cast { supplier, rival, .. } = cast;
    show.title("People and their company's credentials");
    let anna = client.user_token(app, *supplier, "anna").await?;
    let session = client.credentials(&anna, *supplier, "session").await?;
    show.answer(
        "anna, admin of Elbe Polymers, takes a session of Elbe's role",
        &session,
        200,
    )
    .await?;
    let secret = client.credentials(&anna, *supplier, "secrets/erp-api-key").await?;
    show.answer(
        "anna reads a secret of Elbe Polymers (its value is not shown here)",
        &secret,
        200,
    )
    .await?;
    let vera = client.user_token(app, *supplier, "vera").await?;
    let secret = client.credentials(&vera, *supplier, "secrets/erp-api-key").await?;
    show.answer("vera, a viewer, asks for the same secret", &secret, 403)
        .await?;
    let bert = client.user_token(app, *rival, "bert").await?;
    let secret = client.credentials(&bert, *supplier, "secrets/erp-api-key").await?;
    show.answer("bert, admin of Isar Castings, asks for Elbe's secret", &secret, 401)
        .await?;
    Ok(())
}
