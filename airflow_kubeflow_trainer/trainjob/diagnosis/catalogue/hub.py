"""What the clients of the Hugging Face Hub and of S3 say."""

from __future__ import annotations

from airflow_kubeflow_trainer.trainjob.diagnosis.catalogue.entry import Entry, Source, Weight, entry
from airflow_kubeflow_trainer.trainjob.diagnosis.causes import Cause

_HUB = r"huggingface_hub\.(?:errors|utils\._http|utils\._errors)\."
_REPO = r"https?://[^/\s]+/(?:api/)?(?:models/|datasets/)?(?P<repo>[^/\s]+/[^/\s]+)"
_S3 = r"botocore\.(?:exceptions\.ClientError|errorfactory\.\w+): An error occurred "
_STATUS = r"(?:Got: HfHubHTTPError: )?(?:Client error '|Server error ')?"

HUB: tuple[Entry, ...] = (
    entry(
        "gated-without-token",
        Source.EXCEPTION,
        _HUB + r"GatedRepoError: 401 Client Error.* Cannot access gated repo for url " + _REPO,
        says="{repo} is gated on the Hugging Face Hub, and no token was given",
        remedy="Accept its terms on the Hub, put a token of that account into a Secret, and name it: "
        'secret_ref=SecretRef("hf-token", key="token")',
    ),
    entry(
        "gated-not-granted",
        Source.EXCEPTION,
        _HUB + r"GatedRepoError: 403 Client Error.* Cannot access gated repo for url " + _REPO,
        says="{repo} is gated on the Hugging Face Hub, and the token's account has no access to it",
        remedy="Ask for access on the page of the repository with the account that the token belongs to",
    ),
    entry(
        "hub-token-invalid",
        Source.EXCEPTION,
        _HUB + r"HfHubHTTPError: (?:Client error '401 Unauthorized' (?s:.*)Invalid credentials|Invalid user token|"
        r"401 Unauthorized: Invalid)",
        says="The Hugging Face Hub does not accept the token",
        remedy="Put a token that is valid into the Secret (huggingface.co/settings/tokens): it was revoked, has "
        "expired, or has a "
        "line break too many",
    ),
    entry(
        "hub-token-lacks-permission",
        Source.EXCEPTION,
        _HUB + r"(?:HfHubHTTPError|LocalEntryNotFoundError): (?:Got: HfHubHTTPError: )?403 Forbidden",
        says="The Hugging Face Hub accepts the token, which may not read this",
        remedy="Give the token the permission to read gated and private repositories, or use another one",
    ),
    entry(
        "hub-repository-hidden",
        Source.EXCEPTION,
        _HUB + r"RepositoryNotFoundError: 401 Client Error.* Repository Not Found for url: " + _REPO,
        says="The Hugging Face Hub shows {repo} to nobody without a token: it is private, or its name is wrong",
        remedy='Compare the name with the Hub, and for a private one give a token: secret_ref=SecretRef("hf-token", '
        'key="token")',
    ),
    entry(
        "hub-repository-not-found",
        Source.EXCEPTION,
        _HUB + r"RepositoryNotFoundError: 404 Client Error.* Repository Not Found for url: " + _REPO,
        says="There is no {repo} on the Hugging Face Hub, as far as this token can see",
        remedy="Correct storage_uri, and see that a model is not asked for as a data set or the other way round",
    ),
    entry(
        "hub-revision-not-found",
        Source.EXCEPTION,
        _HUB + r"RevisionNotFoundError: 404 Client Error.* Revision Not Found for url: " + _REPO,
        says="{repo} has no such revision on the Hugging Face Hub",
        remedy="Name a branch, tag or commit that its page lists",
    ),
    entry(
        "hub-file-not-found",
        Source.EXCEPTION,
        _HUB + r"(?:Remote)?EntryNotFoundError: 404 Client Error.* Entry Not Found for url: (?P<url>\S+?)\.?(?:\s|$)",
        says="The repository has no such file on the Hugging Face Hub: {url}",
        remedy="Compare the file's name with the repository's page",
    ),
    entry(
        "hub-name-invalid",
        Source.EXCEPTION,
        _HUB + r"HFValidationError: Repo id must (?P<rule>.{1,80}?): '(?P<repo>[^']*)'",
        says="{repo!r} is no name of a repository on the Hugging Face Hub",
        remedy="Write storage_uri as hf://owner/name, for a data set with a folder behind it: hf://owner/name/folder",
    ),
    entry(
        "hub-rate-limit",
        Source.EXCEPTION,
        _HUB + r"(?:HfHubHTTPError|LocalEntryNotFoundError): " + _STATUS + r"429 Too Many Requests",
        says="The Hugging Face Hub has been asked too often, and wants to be left alone for a while",
        remedy="Try again later; with a token the limits are higher",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "hub-out-of-order",
        Source.EXCEPTION,
        _HUB + r"(?:HfHubHTTPError|LocalEntryNotFoundError): " + _STATUS + r"(?P<status>5\d\d) (?P<words>[\w ]+)",
        says="The Hugging Face Hub is out of order ({status})",
        remedy="Try again later; status.huggingface.co tells how it is",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "hub-unreachable",
        Source.EXCEPTION,
        r"(?:"
        + _HUB
        + r"LocalEntryNotFoundError: Got: (?P<error>Connect(?:ion)?Error|ConnectTimeout|ReadTimeout|MaxRetryError)"
        r"|ConnectionError: Couldn't reach '(?P<repo>[^']+)' on the Hub)",
        says="The Hugging Face Hub cannot be reached from the pod",
        remedy="Let the pods reach huggingface.co (DNS, egress, HTTPS_PROXY in env), or set HF_ENDPOINT to a mirror",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "hub-offline-and-not-cached",
        Source.EXCEPTION,
        r"(?:"
        + _HUB
        + r"(?:OfflineModeIsEnabled|LocalEntryNotFoundError: Cannot find (?:an appropriate cached snapshot|the "
        r"requested files in the disk cache))|datasets\.exceptions\.OfflineModeIsEnabled)",
        says="The program was told to do without the Hugging Face Hub (HF_HUB_OFFLINE), and has no copy of what it "
        "wants",
        remedy="Fetch it with an initializer and read it from /workspace, or take HF_HUB_OFFLINE out of env",
    ),
    entry(
        "s3-no-credentials",
        Source.EXCEPTION,
        r"botocore\.exceptions\.(?:NoCredentialsError|PartialCredentialsError)\b",
        says="S3 was asked without credentials",
        remedy="Name the Secret that has access_key_id and secret_access_key in the initializer's secret_ref, or a "
        "role in role_arn",
    ),
    entry(
        "s3-credentials-refused",
        Source.EXCEPTION,
        _S3 + r""
        r"\((?P<code>InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|"
        r"InvalidToken)\)",
        says="S3 does not accept the credentials ({code})",
        remedy="Put keys that are valid into the Secret, and give region and endpoint of the store that they belong to",
    ),
    entry(
        "s3-forbidden",
        Source.EXCEPTION,
        _S3 + r"\((?:403|AccessDenied)\) when calling the "
        r"(?P<operation>\w+) operation",
        says="S3 accepts the credentials, which may not do {operation}",
        remedy="Permit s3:ListBucket on the bucket and s3:GetObject on its objects to these keys or this role",
    ),
    entry(
        "s3-not-found",
        Source.EXCEPTION,
        _S3 + r"\((?P<code>404|NoSuchBucket|NoSuchKey)\) when calling the (?P<operation>\w+) operation",
        says="S3 has no such bucket or object ({code} at {operation})",
        remedy="Correct storage_uri (s3://bucket/path), and give endpoint and region where the store is not AWS's own",
    ),
    entry(
        "s3-unreachable",
        Source.EXCEPTION,
        r"botocore\.exceptions\.(?:EndpointConnectionError: Could not connect to the endpoint URL: \"(?P<url>[^\"]+)\""
        r"|ConnectTimeoutError: Connect timeout on endpoint URL: \"(?P<slow>[^\"]+)\")",
        says="S3 cannot be reached from the pod at {url}{slow}",
        remedy="Correct endpoint and region, and let the pods reach it (DNS, egress)",
        cause=Cause.INFRASTRUCTURE,
    ),
    entry(
        "name-not-resolved",
        Source.EXCEPTION,
        r"(?:[\w.]*(?:ConnectError|ConnectionError|gaierror|URLError|NewConnectionError|MaxRetryError)): .*"
        r"(?:Name or service not known|Temporary failure in name resolution|No address associated with hostname)",
        says="A host's name could not be resolved in the pod",
        remedy="See that the name is right and that the pods have DNS and a way out",
        cause=Cause.INFRASTRUCTURE,
        weight=Weight.GENERAL,
    ),
)
