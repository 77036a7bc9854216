//! Which database tables lie in, and how it is connected to.
//!
//! A database is told by a URL, as `psql` takes one; what stands in neither is taken from the variables of the environment that
//! `psql` reads (`PGPASSWORD` and so on) and from the file of passwords. The URL may hold a password: neither it nor anything made of
//! it is printed, and what is printed of a [`Database`] names who connects where.
//!
//! Beyond this machine, the server must show a certificate that is held to an authority: `sslmode=verify-full`, or `verify-ca` where its
//! name is another. Anything less lets whoever sits in between read what is recorded and answer that it was written.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The parameters of a URL that mean something here. One that does not is refused: it may be a misspelt `sslmode`.
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// A PostgreSQL database. What is kept in it has a schema of its own each, such as `tidegate_ledger`.
#[derive(Clone)]
pub struct Database(Arc<PgConnectOptions>);

/// Why a URL names no database that can be used. Nothing of the URL is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// It is not one of PostgreSQL's, or a parameter has a value that means nothing.
    #[error(
        "it is not a URL of PostgreSQL, or a parameter has a value that means nothing; expected one such as postgres://tidegate@db.example/tidegate?sslmode=verify-full"
    )]
    NoUrl,
    /// It has a parameter that means nothing. Which is not said: what stands after a question mark may be a password's end.
    #[error("a parameter of it means nothing here; known are: {known}", known = PARAMETERS.join(", "))]
    Parameter,
    /// It leads to another machine without checking which.
    #[error(
        "it leads to another machine, `{host}`, and does not have the server's certificate checked; add `sslmode=verify-full`, and `sslrootcert=FILE` where the certificate is of an authority of your own"
    )]
    Unverified {
        /// The server's name.
        host: String,
    },
}

impl Database {
    /// Reads a URL, as of
    /// [libpq](https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS).
    ///
    /// # Errors
    ///
    /// It is none, has a parameter that is not known, or leads to another machine unverified.
    pub fn parse(url: &str) -> std::result::Result<Self, DatabaseError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(DatabaseError::NoUrl);
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let parameters = query.split('&').filter(|part| !part.is_empty());
        for name in parameters.map(|part| part.split_once('=').map_or(part, |(name, _)| name)) {
            let known = PARAMETERS.contains(&name) || name.starts_with("options[");
            if !known {
                return Err(DatabaseError::Parameter);
            }
        }
        let options: PgConnectOptions = url.parse().map_err(|_| DatabaseError::NoUrl)?;
        let verified = matches!(options.get_ssl_mode(), PgSslMode::VerifyFull | PgSslMode::VerifyCa);
        match verified || is_here(&options) {
            true => Ok(Self(Arc::new(options.disable_statement_logging()))),
            false => {
                let host = options.get_host().to_owned();
                Err(DatabaseError::Unverified { host })
            }
        }
    }

    /// How a session begins that sees the tables of `schema` alone, under these settings: nothing that another schema holds is taken
    /// for one of them.
    pub(crate) fn session(&self, schema: &str, settings: &[(&str, &str)]) -> PgConnectOptions {
        let options = self.0.as_ref().clone();
        let options = options.options([("search_path", schema)]);
        options.options(settings.iter().copied())
    }
}

/// Whether it leads to this machine.
fn is_here(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || address.is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Database {
    /// Who connects where, without a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (options, user) = (&self.0, self.0.get_username());
        write!(formatter, "postgres://{user}@")?;
        match options.get_socket() {
            Some(socket) => write!(formatter, "[{}]", socket.display())?,
            None => write!(formatter, "{}:{}", options.get_host(), options.get_port())?,
        }
        write!(formatter, "/{}", options.get_database().unwrap_or(user))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Database({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_printed() {
        for url in [
            "postgres://anna:s3cret@localhost/ledger",
            "postgres://anna@localhost/ledger?password=s3cret",
            "postgresql://anna:s3cret@db.example:6432/ledger?sslmode=verify-full",
        ] {
            let database = Database::parse(url).unwrap();
            let place = crate::database::Place::Postgres(database.clone());
            let printed = format!("{database} {database:?} {place:?}");
            assert!(printed.contains("anna@") && !printed.contains("s3cret"), "{printed}");
        }
        for url in [
            "mysql://anna:s3cret@localhost/ledger",
            "postgres://anna:s3cret@local host/ledger",
            "postgres://anna:s3cret@localhost:port/ledger",
            "postgres://anna:s3cret@localhost/ledger?sslmode=s3cret",
            "postgres://anna:s3cret@localhost/ledger?ssl_mode=s3cret",
            "postgres://anna:s3cret@db.example/ledger",
            "postgres://anna:begin?s3cret@db.example/ledger",
            "postgres://anna@localhost/ledger?password=begin&s3cret",
        ] {
            let error = Database::parse(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn another_machine_must_show_who_it_is() {
        let parse = |rest: &str| Database::parse(&format!("postgres://u@{rest}"));
        for here in ["localhost/l", "127.0.0.1/l", "[::1]:5433/l", "%2Frun%2Fpostgresql/l"] {
            assert!(parse(here).is_ok(), "{here}: {:?}", parse(here));
        }
        assert!(Database::parse("postgres:///l?host=/run/postgresql").is_ok());
        for mode in ["verify-full", "verify-ca"] {
            assert!(parse(&format!("db.example/l?sslmode={mode}")).is_ok());
        }
        for there in [
            "db.example/l",
            "10.0.0.1/l",
            "127.0.0.1.evil.example/l",
            "localhost/l?host=db.example",
            "localhost/l?hostaddr=10.0.0.1",
        ] {
            assert!(matches!(parse(there), Err(DatabaseError::Unverified { .. })), "{there}");
            for mode in ["disable", "allow", "prefer", "require"] {
                let joint = if there.contains('?') { '&' } else { '?' };
                assert!(
                    parse(&format!("{there}{joint}sslmode={mode}")).is_err(),
                    "{there} {mode}"
                );
            }
        }
        let misspelt = parse("db.example/l?sslmode=verify-full&sslmod=disable").unwrap_err();
        assert_eq!(misspelt, DatabaseError::Parameter);
    }
}
