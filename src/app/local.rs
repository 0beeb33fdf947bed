//! One worker's hold on the app and its campaigns.

use super::App;
use crate::campaign::Campaign;
use crate::http::body::{BodyLimits, HasBodyLimits};
use std::{collections::BTreeMap, ops::Deref, sync::Arc};

/// The app as one worker's requests hold it. Each worker has its own: if all held the same, each
/// request would wait for the others' caches twice for every hand-over.
pub struct Local {
    app: Arc<App>,
    campaigns: BTreeMap<String, Here>,
}

impl Local {
    /// Another worker's.
    pub fn of(app: &Arc<App>) -> Arc<Local> {
        let named = app.campaigns().map(|campaign| (campaign.plan.id.clone(), campaign));
        let campaigns = named.map(|(id, campaign)| (id, Here(Arc::new(Arc::clone(campaign)))));
        Arc::new(Local { app: Arc::clone(app), campaigns: campaigns.collect() })
    }

    /// The campaign of that id.
    pub fn campaign(&self, id: &str) -> Option<&Here> {
        self.campaigns.get(id)
    }
}

impl Deref for Local {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// A campaign as one worker's requests hold it.
#[expect(clippy::redundant_allocation, reason = "the outer count is the worker's own")]
#[derive(Clone)]
pub struct Here(Arc<Arc<Campaign>>);

impl Deref for Here {
    type Target = Campaign;

    fn deref(&self) -> &Campaign {
        &self.0
    }
}

impl HasBodyLimits for App {
    fn body_limits(&self) -> BodyLimits {
        self.body
    }
}

impl HasBodyLimits for Local {
    fn body_limits(&self) -> BodyLimits {
        self.body
    }
}

impl HasBodyLimits for Arc<Local> {
    fn body_limits(&self) -> BodyLimits {
        self.body
    }
}
