//! A backup of a folder whose server runs: another one starts from it.

use crate::common::server::{QUAN, Serve, Server, write_keys};
use crate::world::World;
use std::{path::Path, process::Command};

fn serve(world: &World, data: &str) -> Server {
    let at = |name: &str| world.folder.path().join(name);
    let (config, keys, data) = (at("quan.toml"), at("keys"), at(data));
    let clock = world.now.in_zone(&world.plan.zone);
    let (program, clock) = (Command::new(QUAN), clock.as_str());
    let serve = Serve { program, config: &config, keys: &keys, data: &data, clock, log: at("log") };
    let server = serve.start().serving();
    assert_ne!(server.public, server.ops);
    assert!(server.process.child.id() > 0);
    server
}

fn quan(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(QUAN).args(args).output().expect("quan runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// C7, R-AUDIT-1: restored elsewhere it starts, and it is clean.
#[test]
fn r_audit_1_a_running_servers_folder_is_backed_up_and_another_server_starts_from_it() {
    let mut world = crate::redeemed();
    world.settle(1);
    world.paid(1, 2);
    world.rest();
    write_keys(Path::new(&world.path("keys")));
    let (data, copy) = (world.path("data"), world.path("copy"));
    let server = serve(&world, "data");
    let (code, said) = quan(&["backup", "--data", &data, "--to", &copy]);
    assert_eq!(code, Some(0), "{said}");
    drop(server);
    let (code, said) = quan(&["audit", &copy]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("I8"), "its store as well: {said}");
    // It goes on where that one was.
    let mut again = serve(&world, "copy");
    drop(again.process.child.stdin.take());
    assert!(again.process.child.wait().expect("it is ours").success());
    let (code, said) = quan(&["audit", &copy]);
    assert_eq!(code, Some(0), "{said}");
    let config = world.path("quan.toml");
    let balance =
        |data: &str| quan(&["balance", "--config", &config, "--data", data, "--seq", "20"]);
    assert_eq!(balance(&copy), balance(&data));
    // Not twice into one folder.
    let (code, said) = quan(&["backup", "--data", &data, "--to", &copy]);
    assert!(code == Some(1) && said.contains("it is not empty"), "{said}");
}
