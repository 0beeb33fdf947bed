use super::*;
use std::fs;

fn trail(folder: &Path) -> (PathBuf, Trail) {
    let path = folder.join("trail.jsonl");
    let trail = Trail::open(&path).unwrap();
    (path, trail)
}

/// Three records.
fn written(folder: &Path) -> (PathBuf, Head) {
    let (path, trail) = trail(folder);
    trail.add("li", Deed::Proposed, "resume 1").unwrap();
    trail.add("wang", Deed::Signed, "resume \"1\"\n").unwrap();
    let head = trail.read_of_persons("sun", "decisions").unwrap();
    (path, head)
}

#[test]
fn r_role_1_a_trail_is_gone_on_with_by_each_program_that_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, head) = written(folder.path());
    assert_eq!(head.seq, 3);
    let (one, other) = (Trail::open(&path).unwrap(), Trail::open(&path).unwrap());
    assert_eq!(one.head(), Some(head));
    one.add("li", Deed::Rejected, "a").unwrap();
    other.add("li", Deed::Withdrawn, "b").unwrap();
    let last = one.add("li", Deed::Signed, "c").unwrap();
    assert_eq!((last.seq, one.id()), (6, other.id()));
    assert_eq!(super::head(&path).unwrap(), Some(last));
    let first = one.id();
    let anchor = Anchor { by: "the store".into(), of: first, head };
    let sound = check(&path, &[anchor]);
    assert!(sound.clean, "{sound:?}");
    assert_eq!(sound.rows, 6);
    assert_eq!(super::head(&folder.path().join("none")).unwrap(), None);
}

/// R-RISK-3: a program that was stopped with the trail's lock in its hand must keep nobody from stopping issuing.
#[test]
fn r_risk_3_who_has_locked_the_trail_is_not_waited_for_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = trail(folder.path());
    let held = File::open(&path).unwrap();
    held.lock().unwrap();
    let (said, hear) = std::sync::mpsc::channel();
    let trail = std::sync::Arc::new(trail);
    let adds = std::sync::Arc::clone(&trail);
    std::thread::spawn(move || said.send(adds.add("li", Deed::Signed, "trip")));
    let told = hear.recv_timeout(Duration::from_secs(20)).expect("it is told");
    let why = told.unwrap_err().to_string();
    assert!(why.contains("another program has locked it"), "{why}");
    held.unlock().unwrap();
    assert_eq!(trail.add("li", Deed::Signed, "trip").unwrap().seq, 1, "nothing was written");
}

/// R-AUDIT-1: who runs knows how long it was.
#[test]
fn r_audit_1_a_trail_that_is_cut_off_under_a_server_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (path, trail) = trail(folder.path());
    trail.add("li", Deed::Proposed, "resume 1").unwrap();
    let first = fs::metadata(&path).unwrap().len();
    trail.add("wang", Deed::Signed, "resume 1").unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(first).unwrap();
    let cut = trail.add("sun", Deed::Signed, "resume 1").unwrap_err();
    assert!(matches!(cut, TrailError::Damaged { line: 2, .. }), "{cut}");
    assert_eq!(fs::metadata(&path).unwrap().len(), first);
}

#[test]
fn r_role_1_every_byte_flipped_is_named_by_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path());
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let line = bytes[..at].split(|byte| *byte == b'\n').count() as u64;
        // The last line's end makes it a torn one, which is looked at below.
        for flip in [0x01, 0x20, 0x80].into_iter().filter(|_| at + 1 < bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            fs::write(&path, &changed).unwrap();
            let found = check(&path, &[]);
            let place = format!("line {line}: ");
            assert!(!found.clean, "byte {at} ^ {flip}");
            assert!(found.findings[0].contains(&place), "byte {at} ^ {flip}: {found:?}");
            assert!(
                matches!(Trail::open(&path), Err(TrailError::Damaged { line: it, .. }) if it == line)
            );
        }
    }
}

#[test]
fn r_role_1_a_line_left_out_or_moved_or_written_otherwise_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for (lines, why) in [
        (vec![lines[0], lines[2]], "line 2: record 3 stands here"),
        (vec![lines[1], lines[0], lines[2]], "line 1: record 2 stands here"),
        (vec![lines[0], lines[0], lines[1]], "line 2: record 1 stands here"),
        (vec![lines[0], &lines[1].replace(':', ": "), lines[2]], "line 2: it is written otherwise"),
    ] {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        let found = check(&path, &[]);
        assert!(found.findings[0].contains(why), "{found:?}");
    }
}

#[test]
fn r_role_1_a_torn_line_is_cut_off_and_a_record_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (path, head) = written(folder.path());
    let bytes = fs::read(&path).unwrap();
    let second = bytes.iter().take(bytes.len() - 1).rposition(|byte| *byte == b'\n').unwrap() + 1;
    for end in second + 1..bytes.len() {
        fs::write(&path, &bytes[..end]).unwrap();
        let trail = Trail::open(&path).unwrap();
        assert_eq!(trail.head().map(|head| head.seq), Some(3), "cut at {end}");
        let text = fs::read_to_string(&path).unwrap();
        let last = text.lines().last().unwrap();
        assert!(
            last.contains("mended") && last.contains(&format!("{} bytes", end - second)),
            "{last}"
        );
        assert!(check(&path, &[]).clean);
        // What was told is not gone unnoticed.
        let anchor = Anchor { by: "the store".into(), of: None, head };
        assert!(!check(&path, &[anchor]).clean);
    }
}

#[test]
fn r_audit_1_a_tail_that_was_cut_off_is_noticed_by_who_knows_a_later_head() {
    let folder = tempfile::tempdir().unwrap();
    let (path, head) = written(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let two: String = text.split_inclusive('\n').take(2).collect();
    let file = folder.path().join("manifest.json");
    let manifest = serde_json::json!({ "batch": 1, "trail": head });
    fs::write(&file, manifest.to_string()).unwrap();
    let anchor = read_anchor(&file).unwrap();
    assert!(check(&path, std::slice::from_ref(&anchor)).clean);
    fs::write(&path, two).unwrap();
    assert!(check(&path, &[]).clean, "by itself it looks whole");
    let found = check(&path, std::slice::from_ref(&anchor));
    assert!(
        found.findings[0].contains("knows record 3: the trail is cut off after 2"),
        "{found:?}"
    );
    fs::write(&file, serde_json::to_string(&head).unwrap()).unwrap();
    assert_eq!(read_anchor(&file).unwrap(), anchor);
    // Begun anew, it is another one.
    fs::remove_file(&path).unwrap();
    let id = Anchor { of: Some(Hex([1; 32])), ..anchor };
    let gone = check(&path, std::slice::from_ref(&id));
    assert!(gone.findings[0].contains("cut off after 0"), "{gone:?}");
    written(folder.path());
    let other = check(&path, &[id]);
    assert!(other.findings[0].contains("of another trail"), "{other:?}");
}

#[test]
fn r_role_1_what_can_not_be_written_down_is_an_error_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Trail::open(&folder.path().join("no/trail.jsonl")).is_err());
    let (path, trail) = trail(folder.path());
    trail.add("li", Deed::Signed, "a").unwrap();
    // A disk that is full, for the file alone.
    trail.end.lock().file = File::open(&path).unwrap();
    assert!(trail.add("li", Deed::Signed, "b").is_err());
    let again = trail.add("li", Deed::Signed, "c").unwrap_err().to_string();
    assert!(again.contains("start again"), "{again}");
    assert_eq!(super::head(&path).unwrap().map(|head| head.seq), Some(1));
}

#[test]
fn r_role_1_a_record_made_anew_with_its_hash_does_not_go_with_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first: Record = serde_json::from_str(lines[0]).unwrap();
    let forged = Record::after(first.head(), first.at(), "zhao", Deed::Signed, "resume").line();
    let forged = forged.unwrap();
    lines[1] = &forged;
    fs::write(&path, lines.concat()).unwrap();
    let found = check(&path, &[]);
    assert!(
        found.findings[0].contains("line 3: it does not follow from the one before"),
        "{found:?}"
    );
}
