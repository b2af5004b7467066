//! What a role says before it runs.

use std::process::{Command, Output};

fn lastmile(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LASTMILE_")) {
        command.env_remove(name);
    }
    command.args(arguments).output().expect("the binary runs")
}

/// Exit code of a wrong command line or configuration (EX_USAGE).
const USAGE: i32 = 64;

#[cfg(not(feature = "distributed"))]
#[test]
fn a_build_without_the_roles_names_the_feature() {
    for role in ["cwmp", "provisioning", "ingest", "connreq", "files", "api", "migrate"] {
        let output = lastmile(&[role]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(USAGE), "{role}: {told}");
        assert!(told.contains(&format!("no role `{role}`")) && told.contains("--features distributed"), "{told}");
    }
}

#[cfg(feature = "distributed")]
mod distributed {
    use super::*;

    const ENOUGH: [&str; 10] = [
        "--set",
        "kafka.brokers=127.0.0.1:9",
        "--set",
        "grpc.provisioning=127.0.0.1:9",
        "--set",
        "grpc.tls_cert=cert.pem",
        "--set",
        "grpc.tls_key=key.pem",
        "--set",
        "grpc.tls_ca=ca.pem",
    ];

    #[test]
    fn a_role_tells_everything_that_is_wrong_at_once() {
        let output = lastmile(&["provisioning", "--set", "cwmp.nothing=1", "--set", "redis.mode=many"]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(USAGE), "{told}");
        for part in [
            "there is no key `cwmp.nothing`",
            "`many` is none of `single`, `sentinel`, `cluster`",
            "kafka.brokers (default): no Kafka broker is configured",
            "store.nodes (default): at least one host:port is needed",
            "grpc.connreq (default): at least one host:port is needed",
            "grpc.files (default): at least one host:port is needed",
            "grpc.tls_cert (default): a certificate is needed: gRPC between roles is mutual TLS",
            "grpc.tls_ca (default): a file of authorities is needed",
        ] {
            assert!(told.contains(part), "{part:?} is missing in:\n{told}");
        }
        assert!(!told.contains("grpc.provisioning"), "it needs none of itself: {told}");
        let printed = lastmile(&["config", "print", "--role", "provisioning", "--set", "redis.mode=many"]);
        let (shown, told) = (String::from_utf8_lossy(&printed.stdout), String::from_utf8_lossy(&printed.stderr));
        assert!(shown.contains("mode = \"many\"  # flag --set") && told.contains("`many` is none of"), "{shown}{told}");
        assert_eq!(printed.status.code(), Some(USAGE));
    }

    #[test]
    fn a_role_makes_no_key_ring_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let keys = format!("keys.dir={}", folder.path().join("keys").display());
        let mut arguments = vec!["cwmp", "--set", &keys];
        arguments.extend(ENOUGH);
        let output = lastmile(&arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("keys") && !folder.path().join("keys").exists(), "{told}");
    }

    #[test]
    fn a_secret_of_a_role_is_not_printed_p26() {
        let output = lastmile(&[
            "config",
            "print",
            "--set",
            "store.password=canary-1",
            "--set",
            "kafka.sasl_password=canary-2",
            "--set",
            "redis.password=canary-3",
        ]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("sasl_password = \"(secret)\""), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}
