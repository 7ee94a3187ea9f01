//! Texts that callers choose: reasons, external ids, payment methods.

use pannier_platform::Refusal;

/// Checks the length of the text at `pointer`, a JSON pointer into the request's body.
///
/// # Errors
/// [`Refusal::Invalid`] when it is empty or longer than 128 bytes.
pub fn check_length(pointer: &str, text: &str) -> Result<(), Refusal> {
    if (1..=128).contains(&text.len()) {
        return Ok(());
    }
    Err(Refusal::Invalid {
        code: "text_invalid",
        detail: "this is 1 to 128 bytes long".to_owned(),
        pointer: Some(pointer.to_owned()),
    })
}
