//! A PostgreSQL of this test process: made when first needed, on a socket of its own and on loopback, and gone with the process.
//!
//! PostgreSQL is looked for in `PATH` and where Debian keeps it. It refuses to run as root; where the tests do, it is run as `nobody`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The password of `tidegate`, over TCP.
pub(crate) const PASSWORD: &str = "pass-word-of-the-tests";

static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);

/// A running server.
pub(crate) struct Cluster {
    dir: PathBuf,
    port: u16,
    bin: PathBuf,
    /// While its input is open, the server runs.
    watchdog: Child,
}

/// A database of one test.
#[derive(Clone, Debug)]
pub(crate) struct TestDatabase {
    name: String,
    dir: PathBuf,
    port: u16,
}

fn is_root(dir: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(dir).unwrap().uid() == 0
}

/// Where `initdb` and `postgres` are.
fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.map(|version| version.unwrap().path().join("bin"));
    let mut places = std::env::split_paths(&path).chain(debian);
    let found = places.find(|place| place.join("initdb").exists() && place.join("postgres").exists());
    found.expect(
        "these tests need PostgreSQL: install it (Debian: `apt-get install postgresql`), or put `initdb` into PATH",
    )
}

/// A program as whoever may run a server.
fn program(root: bool, program: &Path) -> Command {
    match root {
        false => Command::new(program),
        true => {
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(program);
            command
        }
    }
}

impl Cluster {
    /// The server of this process.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// A server of its own, for a test that stops it.
    pub(crate) fn start() -> Self {
        let bin = binaries();
        let dir = tempfile::Builder::new()
            .prefix("tidegate-pg-")
            .tempdir()
            .unwrap()
            .keep();
        let root = is_root(Path::new("/proc/self"));
        let secret = dir.join("password");
        std::fs::write(&secret, PASSWORD).unwrap();
        if root {
            let id = |flag: &str| {
                let id = Command::new("id").args([flag, "nobody"]).output().unwrap().stdout;
                String::from_utf8(id).unwrap().trim().parse::<u32>().unwrap()
            };
            for path in [&dir, &secret] {
                std::os::unix::fs::chown(path, Some(id("-u")), Some(id("-g"))).unwrap();
            }
        }
        let made = program(root, &bin.join("initdb"))
            .args(["--username=tidegate", "--auth-local=trust", "--auth-host=scram-sha-256"])
            .args(["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"])
            .arg(format!("--pwfile={}", secret.display()))
            .arg(format!("--pgdata={}", dir.join("data").display()))
            .current_dir(&dir)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\n\
             fsync = on\nmax_connections = 200\nshared_buffers = 64MB\nlogging_collector = on\n",
            dir.display()
        );
        let file = dir.join("data/postgresql.auto.conf");
        std::fs::write(&file, settings).unwrap();
        // Ends the server at once, and takes its directory away, when this process is gone, however that ended.
        let script = r#"trap '' INT TERM; cat >/dev/null; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; rm -rf "$1""#;
        let watchdog = Command::new("sh")
            .args(["-c", script, "watchdog"])
            .arg(&dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self {
            dir,
            port,
            bin,
            watchdog,
        };
        cluster.run();
        cluster
    }

    fn control(&self, arguments: &[&str]) {
        let status = program(is_root(Path::new("/proc/self")), &self.bin.join("pg_ctl"))
            .arg("--pgdata")
            .arg(self.dir.join("data"))
            .args(["--silent", "--wait"])
            .args(arguments)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "pg_ctl {arguments:?}");
    }

    /// Starts the server again.
    pub(crate) fn run(&self) {
        self.control(&["start"]);
    }

    /// Stops the server as a crash would.
    pub(crate) fn stop(&self) {
        self.control(&["stop", "--mode=immediate"]);
    }

    /// Where its files are.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// A new database, empty or a copy of another one, which nobody may be connected to.
    pub(crate) async fn database(&self, of: Option<&TestDatabase>) -> TestDatabase {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        // One at a time: a copy of a copy that is being made is refused.
        static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _making = MAKING.lock().await;
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let like = of.map_or("template0", |of| &of.name);
        let sql = format!("CREATE DATABASE {name} TEMPLATE {like}");
        let mut connection = self.at("postgres").connect().await;
        let began = Instant::now();
        // A connection that was just closed may not be gone yet.
        while let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await {
            assert!(began.elapsed() < Duration::from_secs(20), "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.at(&name)
    }

    fn at(&self, name: &str) -> TestDatabase {
        TestDatabase {
            name: name.to_owned(),
            dir: self.dir.clone(),
            port: self.port,
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

impl TestDatabase {
    /// Over the server's socket.
    pub(crate) fn url(&self) -> String {
        let (name, dir, port) = (&self.name, self.dir.display(), self.port);
        format!("postgres:///{name}?host={dir}&port={port}&user=tidegate")
    }

    /// Over loopback, with that password.
    pub(crate) fn url_with(&self, password: &str) -> String {
        format!("postgres://tidegate:{password}@127.0.0.1:{}/{}", self.port, self.name)
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url().parse().unwrap();
        // What is kept has a schema each; no two have a table of the same name, but for `format`.
        let schemas = "tidegate_ledger, tidegate_registry, tidegate_dataspace, tidegate_exchanges";
        let options = options.options([("search_path", schemas)]);
        options.disable_statement_logging().connect().await.unwrap()
    }

    /// Runs SQL.
    pub(crate) async fn run(&self, sql: &str) {
        let mut connection = self.connect().await;
        let ran = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        assert!(ran.is_ok(), "{sql}: {ran:?}");
        connection.close().await.unwrap();
    }
}
