//! Reads the few instructions that the syncer's Containerfile uses.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::archive::Image;
use super::layer::Layer;

/// The image that `text` describes, its `COPY` sources taken from `context`.
///
/// Known: `FROM scratch`, `COPY FILE PATH`, `USER`, `WORKDIR`, `ENTRYPOINT` and `CMD` as JSON lists, `LABEL` (not
/// kept), comments.
///
/// # Errors
/// On any other instruction, so that this never makes another image than an engine would.
pub fn parse(text: &str, context: &Path, name: &str) -> Result<Image> {
    let mut image = Image { names: vec![name.into()], ..Image::default() };
    let mut layer = Layer::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let step = || format!("line {}: `{line}`", number + 1);
        match instruction {
            "FROM" => ensure!(rest == "scratch", "{}: only FROM scratch is understood", step()),
            "COPY" => {
                let mut words = rest.split_whitespace();
                match (words.next(), words.next(), words.next()) {
                    (Some(source), Some(path), None) if !source.starts_with("--") => {
                        layer = layer.program(path, context.join(source));
                    }
                    _ => bail!("{}: only COPY FILE PATH is understood", step()),
                }
            }
            "USER" => image.user = rest.into(),
            "WORKDIR" => image.workdir = rest.into(),
            "ENTRYPOINT" => image.entrypoint = serde_json::from_str(rest).with_context(step)?,
            "CMD" => image.cmd = serde_json::from_str(rest).with_context(step)?,
            "LABEL" => {}
            _ => bail!("{}: this instruction is not understood by the test bed", step()),
        }
    }
    image.layers.push(layer);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_syncers_file_is_understood() {
        let text = include_str!("../../../../syncer/Containerfile");
        let image = parse(text, Path::new("."), "example.com/syncer:1").unwrap();
        assert_eq!(image.entrypoint, ["/syncer"]);
        assert_eq!(image.user, "65532:65532");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in
            ["FROM debian", "RUN true", "COPY --from=a b c", "COPY a b c", "ENTRYPOINT /syncer"]
        {
            assert!(parse(text, Path::new("."), "x").is_err(), "{text} must be refused");
        }
    }
}
