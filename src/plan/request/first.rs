//! Which request a row begins with, and which a page of its walk asks with. One way for runs, probes and plans.

use http::Request;

use super::RequestPlan;
use crate::paginate::{PaginatePlan, Position};
use crate::retry::{Failure, FailureKind};
use crate::template::Context;
use crate::transport::RequestBody;

impl RequestPlan {
    /// The request of a row, or that of the page at this position of its walk.
    ///
    /// # Errors
    /// As [`RequestPlan::build`], and when the position is none of that kind of pagination.
    pub fn at(
        &self,
        context: &Context<'_>,
        walk: Option<(&dyn PaginatePlan, &Position)>,
    ) -> Result<Request<RequestBody>, Failure> {
        let Some((pages, position)) = walk else { return self.build(context) };
        let carries = pages.request(position).map_err(|words| Failure::unsent(FailureKind::Request, words))?;
        self.page(context, &carries)
    }

    /// The request that a row begins with: where a list is walked, that of its first page.
    ///
    /// # Errors
    /// As [`RequestPlan::build`].
    pub fn first(
        &self,
        context: &Context<'_>,
        pages: Option<&dyn PaginatePlan>,
    ) -> Result<Request<RequestBody>, Failure> {
        let position = pages.map(PaginatePlan::first);
        self.at(context, pages.zip(position.as_ref()))
    }
}
