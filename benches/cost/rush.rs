//! A round as a measurement needs it: as many coupons as are asked for, or none.

use crate::common::plan::Shipped;
use crate::process::Server;
use crate::scene::{OPEN, Scene, roomy};
use crate::{Client, Size};
use anyhow::ensure;
use loadtest::{Claims, Options, prepare, progress};

/// A server and the claims that it gets.
pub(crate) struct Rush {
    server: Server,
    /// What every claim is answered with.
    status: u16,
    claims: Claims,
    next: usize,
    /// Where it begins again.
    first: usize,
    /// Whether a claim may be sent again.
    again: bool,
    _scratch: tempfile::TempDir,
}

impl Rush {
    /// Everything is gone; each claim passes every check and is told so.
    pub(crate) async fn sold_out() -> anyhow::Result<Rush> {
        let mut scene = Rush::open(10_000, 1, 409, true).await?;
        let mut client = Client::connect(scene.server.address, 1).await?;
        let all = scene.claims.len();
        client.run(all, |out| scene.next(out)).await?;
        // The first of them hold what there was.
        scene.first = 100;
        scene.next = scene.first;
        Ok(scene)
    }

    /// There is enough for every claim of the measurement.
    pub(crate) async fn granted(size: &Size) -> anyhow::Result<Rush> {
        // Everybody asks for two kinds on average; some room for the uneven.
        let asked = size.all();
        let scene = Rush::open(u32::try_from(asked * 6 / 10)?, asked, 201, false).await?;
        ensure!(scene.claims.len() >= asked, "{} claims for {asked}", scene.claims.len());
        Ok(scene)
    }

    async fn open(people: u32, units: usize, status: u16, again: bool) -> anyhow::Result<Rush> {
        let scratch = tempfile::tempdir()?;
        let folder = scratch.path();
        let (config, keys) = (folder.join("quan.toml"), folder.join("keys"));
        Shipped::read("quan.toml").write(&config);
        roomy(units).write(&folder.join("xiangning-2023.toml"));
        quan::pass::write_fresh(&keys, &mut rand::rng())?;
        let server = Server::quan(&config, &keys, &folder.join("data"), OPEN)?;
        let options = Options {
            urls: vec![format!("http://{}", server.address)],
            keys,
            campaign: "xiangning-2023".to_owned(),
            people,
            cheats_per_mille: 0,
            connections: 64,
            ..Options::default()
        };
        let prepared = prepare(options, progress::silent()).await?;
        ensure!(prepared.passes().made == u64::from(people), "passes: {:?}", prepared.passes());
        server.settle()?;
        let claims = Claims::of(prepared);
        Ok(Rush { server, status, claims, next: 0, first: 0, again, _scratch: scratch })
    }
}

impl Scene for Rush {
    fn server(&self) -> &Server {
        &self.server
    }

    fn status(&self) -> u16 {
        self.status
    }

    async fn ready(&mut self, _requests: usize) -> anyhow::Result<()> {
        Ok(())
    }

    fn next(&mut self, out: &mut Vec<u8>) {
        if self.again && self.next >= self.claims.len() {
            self.next = self.first;
        }
        assert!(self.claims.write(self.next, out), "claim {} of {}", self.next, self.claims.len());
        self.next += 1;
    }

    fn again(&mut self, out: &mut Vec<u8>) {
        assert!(self.claims.write(self.next % self.claims.len(), out));
        self.next += usize::from(self.again);
    }
}
