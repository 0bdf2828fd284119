//! Who is told of the end of a run: whether their servers are there.
//!
//! Must never send a notification: no run has ended.

use super::around::{NO_SECRETS, absolute};
use super::asking::Asker;
use super::{Outcome, What};
use crate::compile::notify::place;
use crate::run::notify::example;
use crate::template::Context;

impl Asker<'_, '_> {
    /// Tries one: its server, and its token.
    pub(super) async fn notify(&mut self, position: usize) {
        let plan = self.world.around.plan;
        let sends = &plan.notify[position].sends;
        let (key, what) = (place(position), What::Notify(sends.name.clone()));
        if self.world.around.lacks_secrets(sends, &format!("{key}.")) {
            return self.tell(key, what, Outcome::Left(NO_SECRETS.to_owned()));
        }
        let row = example(&plan.name, &self.world.around.masker);
        let mut url = String::new();
        let rendered = sends.url.render(
            &Context { row: Some(&row), secrets: &self.world.around.secrets, reply: None, last: None },
            &mut url,
        );
        let parsed = match rendered {
            Ok(()) => absolute(&url, self.world.around.base.as_deref()).parse().map_err(|_| "it is no URL".to_owned()),
            Err(error) => Err(self.world.around.masked(&error.message)),
        };
        match parsed {
            Ok(url) => {
                let Some(party) = self.party(sends, key, self.world.around.buckets(sends, None)) else { return };
                if self.connect(&party, Some(url)).await {
                    self.token(&party).await;
                }
            }
            Err(words) => self.tell(key.key("webhook"), what, Outcome::Failed(format!("nobody can be told: {words}"))),
        }
    }
}
