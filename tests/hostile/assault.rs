//! Ten thousand hostile requests at once, and honest people in between.

use super::{
    MARGIN,
    attacks::{Attack, CLASSES, Expect, Good},
    contract, ms, person,
    server::{Edge, QUICK, Server},
    wire::{Wire, post},
};
use crate::common::host::{CLAIMS, Host};
use quan::audit::{audit_folder, exit_code};
use rand::{SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, env, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep, timeout},
};

/// Hostile connections at once.
const AT_ONCE: usize = 512;
/// Long enough for honest people on a machine that is busy with the hostile ones.
const ASSAULTED: Edge = Edge { header_ms: 1_500, idle_ms: 2_000, request_ms: 1_500, ..QUICK };
/// What hostility may add to the server's memory.
const MOST_KIB: u64 = 64 << 10;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_hostile_request_is_refused_or_closed_in_time_while_honest_people_are_served() {
    let (requests, seed) =
        (number("QUAN_HOSTILE_REQUESTS", 10_000), number("QUAN_HOSTILE_SEED", 1));
    let mut server = Server::start(ASSAULTED);
    let host = Host::with_keys(&server.keys());
    let before_kib = server.memory_kib("VmRSS");
    let (claimer, pass) = person::pass(&host, server.public, 0).await;
    let application = person::application(&host, server.public, 1).await;
    let documented = contract::Document::of(server.public).await;
    let scene = Arc::new((Good { application, claimer, pass }, documented));

    let (stop, stopped) = watch::channel(false);
    let address = server.public;
    // On a thread of their own: the hostile ones are many, and the wait for each other is not the server's.
    let honest = spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(honest_people(&host, address, stopped))
    });
    let started = Instant::now();
    let came = assault(server.public, requests, seed, scene).await;
    let took = started.elapsed();
    stop.send_replace(true);
    let honest = honest.await.expect("nobody honest was turned away");
    server.empty_within(ms(ASSAULTED.idle_ms) + MARGIN).await;

    let high_kib = server.memory_kib("VmHWM");
    println!("{requests} hostile requests, seed {seed}, in {took:?}");
    for (class, answers) in &came.answers {
        println!("{class}: {answers:?}");
    }
    println!("honest people: {} served, slowest {:?}", honest.lines.len(), honest.slowest);
    println!("memory: {before_kib} KiB before, {high_kib} KiB at the highest");
    let wrong = came.wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} wrong, as\n{wrong}", came.wrong.len());
    assert!(high_kib < before_kib + MOST_KIB, "{before_kib} KiB grew to {high_kib} KiB");
    assert!(honest.lines.len() > 1, "{:?}", honest.lines);

    let folder = server.folder.path().to_owned();
    let record = folder.join("record.jsonl");
    std::fs::write(&record, honest.lines.join("\n")).expect("the folder is there");
    let audit = spawn_blocking(move || {
        let log = server.stopped();
        assert!(!log.contains("panicked"), "{log}");
        assert!(log.len() < 64 << 10, "a log of {} bytes", log.len());
        audit_folder(&folder.join("data"), Some(&record)).expect("there is a journal")
    });
    let audit = audit.await.expect("the audit ends");
    assert_eq!(exit_code(&audit), 0, "{audit}");
}

/// What came of the hostile requests.
#[derive(Default)]
struct Seen {
    /// By class: each answer, counted.
    answers: BTreeMap<&'static str, BTreeMap<String, u32>>,
    /// What should not have come.
    wrong: Vec<String>,
}

impl Seen {
    fn note(&mut self, (class, came): (&'static str, Result<String, String>)) {
        match came {
            Ok(came) => *self.answers.entry(class).or_default().entry(came).or_default() += 1,
            Err(why) => self.wrong.push(why),
        }
    }
}

type Scene = (Good, contract::Document);

async fn assault(address: SocketAddr, requests: u64, seed: u64, scene: Arc<Scene>) -> Seen {
    let (mut came, mut crowd) = (Seen::default(), JoinSet::new());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for no in 0..requests {
        let (scene, places) = (Arc::clone(&scene), Arc::clone(&places));
        let place = places.acquire_owned().await.expect("it is never closed");
        crowd.spawn(async move {
            let kind = usize::try_from(no).expect("a count") % CLASSES.len();
            let (class, make) = CLASSES[kind];
            let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32).wrapping_add(no));
            let attack = make(&mut rng, &scene.0);
            let came = carried_out(address, &attack, &scene.1).await;
            drop(place);
            (class, came.map_err(|why| format!("request {no}, {class}: {why}")))
        });
        while let Some(done) = crowd.try_join_next() {
            came.note(done.expect("a hostile request was sent"));
        }
    }
    while let Some(done) = crowd.join_next().await {
        came.note(done.expect("a hostile request was sent"));
    }
    came
}

/// Sends it and tells what came of it, or what should not have.
async fn carried_out(
    address: SocketAddr,
    attack: &Attack,
    document: &contract::Document,
) -> Result<String, String> {
    let wire = Wire::open(address).await;
    let patience = ms(ASSAULTED.header_ms + ASSAULTED.idle_ms) + 3 * MARGIN;
    let late = |_| format!("neither answered nor closed within {patience:?}");
    let (mut reader, mut writer) = wire.split();
    let send = async {
        for (wait, piece) in &attack.pieces {
            if *wait > 0 {
                sleep(ms(*wait)).await;
            }
            if !writer.send(piece).await {
                break;
            }
        }
        if attack.ends {
            writer.end().await;
        }
    };
    let heard = async {
        if attack.expect == Expect::End {
            reader.closed().await;
            return None;
        }
        reader.answer(attack.to_head).await
    };
    let both = async {
        tokio::pin!(send, heard);
        tokio::select! {
            answer = &mut heard => answer,
            () = &mut send => heard.await,
        }
    };
    let answer = timeout(patience, both).await.map_err(late)?;
    let Some(answer) = answer else { return Ok("closed".to_owned()) };
    let came = contract::judged(&answer)?;
    if answer.status < 300 && attack.expect == Expect::No {
        return Err(format!("a yes: {answer:?}"));
    }
    let request = attack.pieces.first().map_or(&[][..], |(_, piece)| piece);
    if !document.has(request, &answer) {
        return Err(format!("not in the document: {came}"));
    }
    Ok(came)
}

struct Honest {
    /// What they were told, as the audit reads it.
    lines: Vec<String>,
    slowest: Duration,
}

/// One person after the other looks, gets a pass, claims, and taps again.
async fn honest_people(host: &Host, address: SocketAddr, stop: watch::Receiver<bool>) -> Honest {
    let mut honest = Honest { lines: Vec::new(), slowest: Duration::ZERO };
    for who in 100.. {
        if *stop.borrow() {
            break;
        }
        let started = Instant::now();
        let (person, pass) = person::pass(host, address, who).await;
        for expected in [201, 200] {
            let answer = Wire::open(address)
                .await
                .ask(&post(CLAIMS, "", &person.claim(&pass).to_string()))
                .await;
            assert_eq!(answer.status, expected, "{answer:?}");
            let at_ms = person::now_ms(address).await;
            honest.lines.push(person::recorded(&pass, &answer.json(), at_ms));
        }
        honest.slowest = honest.slowest.max(started.elapsed());
        sleep(ms(50)).await;
    }
    honest
}
