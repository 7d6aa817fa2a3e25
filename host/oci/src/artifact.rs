//! A library as artifacts: one for its component, and one for each signature, whose subject is the first.

use bytes::Bytes;
use cofferdam_model::LIBRARY_BYTES_MAX;
use serde::Serialize;

use crate::manifest::{Descriptor, EMPTY, MANIFEST, Manifest, SIGNATURE, TITLE, WASM, WASM_CONFIG, write};
use crate::{Digest, Error};

/// Bytes of a signature: ours have some 400.
const SIGNATURE_BYTES_MAX: u64 = 4096;
/// Signatures of one library that are read; the rest is left.
pub(crate) const SIGNATURES_MAX: usize = 100;
/// A library has no time of its own, and the community's config must have one.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// What tools that write files call the component.
const FILE: &str = "library.wasm";

/// A library that is to be packed.
#[derive(Debug, Clone)]
pub struct Artifact {
    pub component: Bytes,
    pub interface: Interface,
    /// Texts of signatures.
    pub signatures: Vec<String>,
}

/// What a component imports and exports.
#[derive(Debug, Clone, Serialize)]
pub struct Interface {
    pub exports: Vec<String>,
    pub imports: Vec<String>,
}

/// A library that was unpacked: its component is the one that its manifest says.
#[derive(Debug, Clone)]
pub struct Held {
    /// Of the manifest.
    pub digest: Digest,
    pub component: Bytes,
    /// Texts; what they say is to be looked at.
    pub signatures: Vec<String>,
}

/// The config of a component, as the community has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'a str,
    layer_digests: [Digest; 1],
    component: &'a Interface,
}

/// What is to be kept of a library: blobs first, then the manifests that name them, its own before those of signatures.
pub(crate) struct Packed {
    pub(crate) blobs: Vec<(Descriptor, Bytes)>,
    pub(crate) manifests: Vec<(Descriptor, Bytes)>,
}

impl Artifact {
    pub(crate) fn pack(&self) -> Packed {
        let layer = Descriptor::of(WASM, &self.component);
        let config = Config {
            created: CREATED,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [layer.digest],
            component: &self.interface,
        };
        let config = write(&config);
        let of_config = Descriptor::of(WASM_CONFIG, &config);
        let manifest = write(&Manifest::new(None, of_config.clone(), vec![layer.clone().with(TITLE, FILE)]));
        let subject = Descriptor::of(MANIFEST, &manifest);
        let mut packed = Packed {
            blobs: vec![(of_config, config), (layer, self.component.clone())],
            manifests: vec![(subject.clone(), manifest)],
        };
        for signature in &self.signatures {
            packed.add_signature(signature, &subject);
        }
        packed
    }
}

impl Packed {
    fn add_signature(&mut self, text: &str, subject: &Descriptor) {
        let (nothing, text) = (Bytes::from_static(b"{}"), Bytes::copy_from_slice(text.as_bytes()));
        let (config, layer) = (Descriptor::of(EMPTY, &nothing), Descriptor::of(SIGNATURE, &text));
        let manifest = Manifest {
            subject: Some(subject.clone()),
            ..Manifest::new(Some(SIGNATURE), config.clone(), vec![layer.clone()])
        };
        let manifest = write(&manifest);
        let mut of_manifest = Descriptor::of(MANIFEST, &manifest);
        of_manifest.artifact_type = Some(SIGNATURE.to_owned());
        self.blobs.extend([(config, nothing), (layer, text)]);
        self.manifests.push((of_manifest, manifest));
    }
}

/// The component of an artifact, whatever tool packed it.
pub(crate) fn component<'a>(what: &str, manifest: &'a Manifest) -> Result<&'a Descriptor, Error> {
    let refuse = |why: &str| Error::NotALibrary { what: what.to_owned(), why: why.to_owned() };
    match manifest.layers.as_slice() {
        [layer] if layer.media_type == WASM => {
            layer.check_size(what, LIBRARY_BYTES_MAX)?;
            Ok(layer)
        }
        [layer] => {
            Err(refuse(&format!("it holds `{}`, and a library is `{WASM}`", layer.media_type.escape_debug())))
        }
        layers => Err(refuse(&format!("it has {} layers, and a library has one", layers.len()))),
    }
}

/// The signature in an artifact, if it is one for that subject.
pub(crate) fn signature<'a>(
    what: &str,
    manifest: &'a Manifest,
    subject: &Digest,
) -> Result<Option<&'a Descriptor>, Error> {
    let is_about = manifest.subject.as_ref().is_some_and(|about| about.digest == *subject);
    match manifest.layers.as_slice() {
        [layer] if is_about && layer.media_type == SIGNATURE => {
            layer.check_size(what, SIGNATURE_BYTES_MAX)?;
            Ok(Some(layer))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn artifact(component: &'static [u8], signatures: &[&str]) -> Artifact {
        Artifact {
            component: Bytes::from_static(component),
            interface: Interface {
                exports: vec!["cofferdam:op/ops@0.1.0".to_owned()],
                imports: vec!["cofferdam:op/context@0.1.0".to_owned()],
            },
            signatures: signatures.iter().map(|&text| text.to_owned()).collect(),
        }
    }

    /// As https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/ has it.
    #[test]
    fn d6_a_component_is_packed_as_the_community_packs_components() {
        let packed = artifact(b"abc", &[]).pack();
        let json = |bytes: &Bytes| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let layer = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            json(&packed.blobs[0].1),
            serde_json::json!({
                "created": "1970-01-01T00:00:00Z",
                "architecture": "wasm",
                "os": "wasip2",
                "layerDigests": [layer],
                "component": {
                    "exports": ["cofferdam:op/ops@0.1.0"],
                    "imports": ["cofferdam:op/context@0.1.0"],
                },
            })
        );
        let config = &packed.blobs[0].0;
        assert_eq!(
            json(&packed.manifests[0].1),
            serde_json::json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.wasm.config.v0+json",
                    "digest": config.digest,
                    "size": config.size,
                },
                "layers": [{
                    "mediaType": "application/wasm",
                    "digest": layer,
                    "size": 3,
                    "annotations": { "org.opencontainers.image.title": "library.wasm" },
                }],
            })
        );
    }

    #[test]
    fn a_signature_is_an_artifact_about_the_library_and_leaves_that_ones_digest_as_it_is() {
        let (plain, signed) = (artifact(b"abc", &[]).pack(), artifact(b"abc", &["{}", "[]"]).pack());
        assert_eq!(plain.manifests[0], signed.manifests[0]);
        let subject = signed.manifests[0].0.digest;
        for (descriptor, bytes) in &signed.manifests[1..] {
            assert_eq!(descriptor.artifact_type.as_deref(), Some(SIGNATURE));
            let manifest = crate::manifest::read("it", bytes).unwrap();
            assert!(signature("it", &manifest, &subject).unwrap().is_some());
            assert!(signature("it", &manifest, &descriptor.digest).unwrap().is_none());
            assert!(component("it", &manifest).is_err());
        }
    }

    #[test]
    fn what_is_no_library_or_too_large_is_refused_before_it_is_read() {
        let manifest = |layers: Vec<Descriptor>| Manifest::new(None, Descriptor::of(EMPTY, b"{}"), layers);
        let said = |layers| component("`a:1`", &manifest(layers)).unwrap_err().to_string();
        let layer = Descriptor::of(WASM, b"abc");
        let large = Descriptor { size: LIBRARY_BYTES_MAX + 1, ..layer.clone() };
        let image = Descriptor::of("application/vnd.oci.image.layer.v1.tar+gzip", b"abc");
        assert_eq!(said(vec![]), "use `a:1`: it has 0 layers, and a library has one");
        assert_eq!(said(vec![layer.clone(), layer]), "use `a:1`: it has 2 layers, and a library has one");
        assert!(said(vec![image]).ends_with("and a library is `application/wasm`"));
        assert!(said(vec![large]).ends_with("bytes, 67108864 are allowed"));
    }
}
