use std::io;
use std::sync::{Arc, Mutex};

use acs_proto::remote::{CONTENT_PART_BYTES_MAX, FileServerClient, FileServerServer};
use acs_proto::{ErrorClass, FileContent, FileServer, NewFile, ServiceError, SignedUrl, v1};
use acs_types::{DeviceId, FileId, FileRecord, FileType, Tenant};
use async_trait::async_trait;
use bytes::Bytes;
use cwmp_model::Timestamp;
use futures::{StreamExt, TryStreamExt};
use proptest::strategy::Strategy;
use tonic::transport::{Channel, Server};

use super::loopback::{connect, deadlines};
use super::sampled;
use crate::strategies as any;

#[derive(Debug, Clone, PartialEq)]
enum Asked {
    Store(NewFile, Vec<u8>),
    Remove(FileId),
    Sign(DeviceId, FileId, Timestamp),
}

struct Scripted {
    stores: Result<FileRecord, ServiceError>,
    removes: Result<(), ServiceError>,
    signs: Result<SignedUrl, ServiceError>,
    asked: Mutex<Vec<Asked>>,
}

#[async_trait]
impl FileServer for Scripted {
    async fn store(&self, file: NewFile, content: FileContent) -> Result<FileRecord, ServiceError> {
        let chunks: Vec<Bytes> = content.try_collect().await.map_err(|error| broken(&error))?;
        self.asked.lock().unwrap().push(Asked::Store(file, chunks.concat()));
        self.stores.clone()
    }

    async fn remove(&self, file: &FileId) -> Result<(), ServiceError> {
        self.asked.lock().unwrap().push(Asked::Remove(file.clone()));
        self.removes.clone()
    }

    async fn sign(&self, device: &DeviceId, file: &FileId, expires: Timestamp) -> Result<SignedUrl, ServiceError> {
        self.asked.lock().unwrap().push(Asked::Sign(device.clone(), file.clone(), expires));
        self.signs.clone()
    }
}

fn broken(error: &io::Error) -> ServiceError {
    ServiceError::new(ErrorClass::Invalid, "upload_broken", error.to_string())
}

async fn serve(service: Arc<Scripted>) -> Channel {
    connect(Server::builder().add_service(FileServerServer::new(service).into_service())).await
}

fn scripted() -> Arc<Scripted> {
    let [stores, signs] = [sampled(&any::service_error())[0].clone(), sampled(&any::service_error())[1].clone()];
    Arc::new(Scripted { stores: Err(stores), removes: Ok(()), signs: Err(signs), asked: Mutex::default() })
}

fn new_file() -> NewFile {
    NewFile {
        tenant: Tenant::default(),
        name: "fw.bin".into(),
        file_type: FileType::Firmware,
        version: "1".into(),
        created_by: "alice".into(),
    }
}

#[tokio::test]
async fn every_method_is_the_same_in_process_and_remote() {
    let files = sampled(&(any::new_file(), any::file_record(), any::file_id(), any::device(), any::signed_url()));
    let errors = sampled(&any::service_error().prop_filter("not repeated", |e| e.class != ErrorClass::Unavailable));
    for (case, ((file, record, id, device, url), error)) in files.into_iter().zip(errors).enumerate() {
        let fails = case % 3 == 0;
        let service = Arc::new(Scripted {
            stores: if fails { Err(error.clone()) } else { Ok(record.clone()) },
            removes: if fails { Err(error.clone()) } else { Ok(()) },
            signs: if fails { Err(error) } else { Ok(url) },
            asked: Mutex::default(),
        });
        let client = FileServerClient::new(serve(service.clone()).await, deadlines());
        let chunks = [Bytes::from_static(b"first"), Bytes::new(), Bytes::from(vec![7; CONTENT_PART_BYTES_MAX + 9])];
        let content = futures::stream::iter(chunks.clone()).map(Ok).boxed();
        assert_eq!(client.store(file.clone(), content).await, service.stores);
        assert_eq!(client.remove(&id).await, service.removes);
        assert_eq!(client.sign(&device, &id, record.created_at).await, service.signs);
        let expected = [
            Asked::Store(file, chunks.concat()),
            Asked::Remove(id.clone()),
            Asked::Sign(device, id, record.created_at),
        ];
        assert_eq!(*service.asked.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_source_that_breaks_keeps_nothing() {
    let service = scripted();
    let client = FileServerClient::new(serve(service.clone()).await, deadlines());
    let chunks = [Ok(Bytes::from_static(b"first")), Err(io::Error::other("the disk is gone"))];
    let error = client.store(new_file(), futures::stream::iter(chunks).boxed()).await.unwrap_err();
    assert_eq!(error, broken(&io::Error::other("the disk is gone")));
    assert_eq!(*service.asked.lock().unwrap(), []);
}

#[tokio::test]
async fn an_upload_without_its_file_or_end_or_with_a_part_too_large_is_refused() {
    use v1::store_part::Part;
    let service = scripted();
    let mut stub = v1::file_server_client::FileServerClient::new(serve(service.clone()).await);
    let file = Part::File(v1::NewFile {
        tenant: "default".into(),
        name: "fw.bin".into(),
        file_type: "1 Firmware Upgrade Image".into(),
        ..v1::NewFile::default()
    });
    let end = Part::End(v1::StoreEnd {});
    let large = Part::Content(Bytes::from(vec![0; 2 * CONTENT_PART_BYTES_MAX]));
    for parts in [vec![end.clone()], vec![], vec![file.clone()], vec![file, large, end]] {
        let parts = parts.into_iter().map(|part| v1::StorePart { part: Some(part) });
        let refused = stub.store(futures::stream::iter(parts)).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused:?}");
    }
    assert_eq!(*service.asked.lock().unwrap(), []);
}
