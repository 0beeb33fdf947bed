//! A payment is never made twice, nor of another amount, whatever folder, files and campaign somebody names.

use crate::world::{NAME, World, face};
use crate::{json, redeemed};
use std::fs;

/// Two merchants of batch 1, with files in the folder.
fn filed(folder: &str) -> (World, String) {
    let mut world = redeemed();
    world.settle(1);
    world.rest();
    let folder = world.path(folder);
    world.well("settle", &["--to", &folder]);
    (world, folder)
}

/// Nothing is sent, and why is said.
#[track_caller]
fn not_sent(world: &World, folder: &str, more: &[&str], why: &str) {
    let files = |folder: &str| fs::read_dir(folder).unwrap().count();
    let before = files(folder);
    let (code, out, error) =
        world.quan("settle", &[&["--to", folder, "--send", "--json"], more].concat());
    assert!(code == Some(1) && error.contains(why), "{out}{error}");
    assert!(error.contains("nothing is sent"), "{error}");
    let sent = |no: usize| format!("{folder}/batch-000001-bank-{no:03}.csv");
    assert!(files(folder) <= before + 2 && !fs::exists(sent(2)).unwrap(), "{error}");
}

/// R-ROLE-1: another folder knows nothing of what was sent from the first.
#[test]
fn r_role_1_a_batch_that_was_sent_from_one_folder_is_sent_from_no_other() {
    let (world, first) = filed("batches");
    world.well("settle", &["--to", &first, "--send"]);
    let other = world.path("other");
    world.well("settle", &["--to", &other]);
    not_sent(&world, &other, &[], "another folder");
    assert!(!fs::exists(world.path("other/batch-000001-sent.json")).unwrap());
    // The first goes on, also where it was moved to.
    let moved = world.path("moved");
    fs::rename(&first, &moved).unwrap();
    let answers = "batch,merchant,attempt,status,fen\n1,2,1,failed,\n";
    let answers = world.write("answers.csv", answers);
    world.well("settle", &["--to", &moved, "--answers", &answers]);
    let again = world.well("settle", &["--to", &moved, "--send", "--retry", "2", "--json"]);
    assert!(again.contains("\"attempt\":2"), "{again}");
}

/// R-ROLE-1: the bank's first word was that it failed, and then persons found that it was paid.
#[test]
fn r_role_1_what_the_ledger_has_as_paid_is_not_tried_again() {
    let (mut world, folder) = filed("batches");
    world.well("settle", &["--to", &folder, "--send"]);
    let answers = "batch,merchant,attempt,status,fen\n1,2,1,failed,\n";
    let answers = world.write("answers.csv", answers);
    world.well("settle", &["--to", &folder, "--answers", &answers]);
    world.paid(1, 2);
    world.rest();
    not_sent(&world, &folder, &["--retry", "2"], "merchant 2: the ledger has it as paid");
}

/// R-FUND-2: the ledger says what is paid, not the files.
#[test]
fn r_fund_2_files_that_say_another_amount_than_the_ledger_are_not_sent() {
    let (world, folder) = filed("batches");
    let payments = format!("{folder}/batch-000001-payments.csv");
    let sound = fs::read_to_string(&payments).unwrap();
    // Merchant 2 gets ten times as much, and whoever did it has sealed the file anew.
    let altered =
        sound.replace("80.00,0.00,0.00,0.00,0.00,80.00", "800.00,0.00,0.00,0.00,0.00,800.00");
    assert_ne!(altered, sound);
    fs::write(&payments, &altered).unwrap();
    let seal = "import hashlib, json, sys; m = json.load(open(sys.argv[1])); b = open(sys.argv[2], 'rb').read()\n\
                for f in m['files']:\n  if f['name'].endswith('-payments.csv'): f['sha256'] = hashlib.sha256(b).hexdigest(); f['bytes'] = len(b)\n\
                json.dump(m, open(sys.argv[1], 'w'))";
    let manifest = format!("{folder}/batch-000001.json");
    let sealed =
        std::process::Command::new("python3").args(["-c", seal, &manifest, &payments]).status();
    assert!(sealed.expect("python3").success());
    not_sent(&world, &folder, &[], "merchant 2");
}

/// A folder of another campaign has other merchants, others of whom are held.
#[test]
fn files_of_another_campaign_are_neither_sent_nor_answered() {
    let (world, folder) = filed("batches");
    let manifest = format!("{folder}/batch-000001.json");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(NAME));
    fs::write(&manifest, text.replace(NAME, "xiangning-2024")).unwrap();
    not_sent(&world, &folder, &[], "xiangning-2024");
    let answers = world.write("answers.csv", "batch,merchant,attempt,status,fen\n");
    let (code, _, error) = world.quan("settle", &["--to", &folder, "--answers", &answers]);
    assert!(code == Some(1) && error.contains("xiangning-2024"), "{error}");
}

/// R-ROLE-1: a batch that took more in after its files were made is not what was sent; nobody is told to decide that all
/// of it is paid.
#[test]
fn r_role_1_what_came_into_a_batch_after_it_was_sent_is_not_paid_with_it() {
    let (mut world, folder) = filed("batches");
    let unsent = world.path("unsent");
    world.well("settle", &["--to", &unsent]);
    world.well("settle", &["--to", &folder, "--send"]);
    world.redeem(2, 1, "B-9", true);
    world.settle(1);
    // The store keeps who sent: it is carried on here, not made anew.
    world.rest();
    not_sent(&world, &unsent, &[], "merchant 2");
    let answers = "batch,merchant,attempt,status,fen\n1,1,1,paid,5800\n1,2,1,paid,8000\n";
    let answers = world.write("answers.csv", answers);
    let (code, out, _) = world.quan("settle", &["--to", &folder, "--answers", &answers, "--json"]);
    let said = json(&out);
    assert_eq!(code, Some(1), "{out}");
    assert!(said.iter().any(|it| it["decide"] == "paid" && it["merchant"] == 1), "{out}");
    assert!(!said.iter().any(|it| it["decide"] == "paid" && it["merchant"] == 2), "{out}");
    let why = said.iter().find(|it| it["merchant"] == 2).unwrap();
    assert_eq!(
        (why["sent_fen"].as_u64(), why["ledger_fen"].as_u64()),
        (Some(face(2)), Some(face(2) + face(1)))
    );
}

/// R-MERCH-1: who is paid is who two persons decided on, not whom a file names by now.
#[test]
fn r_merch_1_names_are_those_of_the_folder_that_was_decided() {
    let mut world = redeemed();
    world.settle(1);
    world.rest();
    let folder = std::path::PathBuf::from(world.path("merchants"));
    let sound = fs::read_to_string(folder.join("merchants.csv")).unwrap();
    let digest = quan::merchant::folder_digest(&folder).unwrap();
    let kept = world.data().join("merchants").join(digest.to_string());
    let swapped = sound.replace("云丘电器", "某某商行");
    assert_ne!(swapped, sound);
    fs::write(folder.join("merchants.csv"), swapped).unwrap();
    let batches = world.path("batches");
    let (code, _, error) = world.quan("settle", &["--to", &batches]);
    assert!(code == Some(1) && error.contains(&digest.to_string()), "{error}");
    // A server keeps a copy of what was decided.
    fs::create_dir_all(&kept).unwrap();
    for name in ["merchants.csv", "shops.csv", "terminals.csv"] {
        fs::copy(folder.join(name), kept.join(name)).unwrap();
    }
    fs::write(kept.join("merchants.csv"), sound).unwrap();
    world.well("settle", &["--to", &batches]);
    let payments = fs::read_to_string(format!("{batches}/batch-000001-payments.csv")).unwrap();
    assert!(payments.contains("云丘电器") && !payments.contains("某某商行"), "{payments}");
}
