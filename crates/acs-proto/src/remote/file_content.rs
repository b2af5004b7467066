//! The bytes of a file as the parts of an upload. `end` says that all of them came: a stream that just stops was cut.

use std::io;

use bytes::Bytes;
use futures::stream::{Stream, StreamExt, unfold};
use tonic::Status;

use super::limits::CONTENT_PART_BYTES_MAX;
use crate::v1::StorePart;
use crate::v1::store_part::Part;
use crate::{FileContent, v1};

/// The parts that carry `file` and `content`.
pub(super) fn to_parts(file: v1::NewFile, content: FileContent) -> impl Stream<Item = StorePart> + Send + 'static {
    let first = StorePart { part: Some(Part::File(file)) };
    futures::stream::iter([first]).chain(unfold(Some(Outgoing { content, rest: Bytes::new() }), next_part))
}

/// The bytes that come in `parts`, behind the first part.
pub(super) fn from_parts(parts: impl Stream<Item = Result<StorePart, Status>> + Send + Unpin + 'static) -> FileContent {
    Box::pin(unfold(Some(parts), next_content))
}

struct Outgoing {
    content: FileContent,
    /// What of the last chunk is not sent yet.
    rest: Bytes,
}

async fn next_part(outgoing: Option<Outgoing>) -> Option<(StorePart, Option<Outgoing>)> {
    let mut outgoing = outgoing?;
    while outgoing.rest.is_empty() {
        match outgoing.content.next().await {
            Some(Ok(chunk)) => outgoing.rest = chunk,
            Some(Err(error)) => return Some((StorePart { part: Some(Part::Broken(error.to_string())) }, None)),
            None => return Some((StorePart { part: Some(Part::End(v1::StoreEnd {})) }, None)),
        }
    }
    let bytes = outgoing.rest.len().min(CONTENT_PART_BYTES_MAX);
    let part = outgoing.rest.split_to(bytes);
    Some((StorePart { part: Some(Part::Content(part)) }, Some(outgoing)))
}

async fn next_content<S>(parts: Option<S>) -> Option<(Result<Bytes, io::Error>, Option<S>)>
where
    S: Stream<Item = Result<StorePart, Status>> + Unpin,
{
    let mut parts = parts?;
    let error = match parts.next().await {
        Some(Ok(StorePart { part: Some(Part::Content(bytes)) })) => return Some((Ok(bytes), Some(parts))),
        Some(Ok(StorePart { part: Some(Part::End(_)) })) => return None,
        Some(Ok(StorePart { part: Some(Part::Broken(why)) })) => io::Error::other(why),
        Some(Ok(StorePart { part: Some(Part::File(_)) | None })) => {
            io::Error::new(io::ErrorKind::InvalidData, "a part of the upload is out of place")
        }
        Some(Err(status)) => io::Error::new(io::ErrorKind::UnexpectedEof, status.message().to_owned()),
        None => io::Error::new(io::ErrorKind::UnexpectedEof, "the upload stopped before its end"),
    };
    Some((Err(error), None))
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn content(chunks: Vec<Result<Bytes, io::Error>>) -> FileContent {
        Box::pin(futures::stream::iter(chunks))
    }

    fn part(part: Part) -> Result<StorePart, Status> {
        Ok(StorePart { part: Some(part) })
    }

    async fn read(parts: Vec<Result<StorePart, Status>>) -> Result<Vec<Bytes>, io::Error> {
        from_parts(futures::stream::iter(parts)).try_collect().await
    }

    #[tokio::test]
    async fn content_is_cut_into_parts_of_the_limit() {
        for (bytes, sizes) in [
            (CONTENT_PART_BYTES_MAX, vec![CONTENT_PART_BYTES_MAX]),
            (CONTENT_PART_BYTES_MAX + 1, vec![CONTENT_PART_BYTES_MAX, 1]),
            (0, vec![]),
        ] {
            let whole = content(vec![Ok(Bytes::from(vec![7; bytes]))]);
            let parts: Vec<_> = to_parts(v1::NewFile::default(), whole).collect().await;
            assert!(matches!(parts.first(), Some(StorePart { part: Some(Part::File(_)) })));
            assert!(matches!(parts.last(), Some(StorePart { part: Some(Part::End(_)) })));
            let back = read(parts.into_iter().skip(1).map(Ok).collect()).await.unwrap();
            assert_eq!(back.iter().map(Bytes::len).collect::<Vec<_>>(), sizes);
        }
    }

    #[tokio::test]
    async fn an_upload_without_its_end_is_an_error() {
        let bytes = || part(Part::Content(Bytes::from_static(b"abc")));
        assert_eq!(read(vec![bytes()]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let cut = read(vec![bytes(), Err(Status::cancelled("gone"))]).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        let twice = read(vec![bytes(), part(Part::File(v1::NewFile::default()))]).await.unwrap_err();
        assert_eq!(twice.kind(), io::ErrorKind::InvalidData);
        let whole = read(vec![bytes(), part(Part::End(v1::StoreEnd {})), bytes()]).await.unwrap();
        assert_eq!(whole, [Bytes::from_static(b"abc")]);
    }

    #[tokio::test]
    async fn a_broken_source_says_why_at_the_other_end() {
        let broken = content(vec![Ok(Bytes::from_static(b"abc")), Err(io::Error::other("the disk is gone"))]);
        let parts: Vec<_> = to_parts(v1::NewFile::default(), broken).skip(1).map(Ok).collect().await;
        assert_eq!(read(parts).await.unwrap_err().to_string(), "the disk is gone");
    }
}
