//! Lists that come in pages.

use serde::de::DeserializeOwned;

use crate::{Call, CallError, Caller, Page, Service};

impl Caller {
    /// Reads all pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, service: Service, path: &str) -> Result<Vec<T>, CallError> {
        let mut all = Vec::new();
        let mut page_path = path.to_owned();
        loop {
            let page: Page<T> = self.send(Call::get(service, page_path)).await?;
            all.extend(page.data);
            let Some(cursor) = page.next_cursor else { return Ok(all) };
            let separator = if path.contains('?') { '&' } else { '?' };
            page_path = format!("{path}{separator}cursor={cursor}");
        }
    }
}
