"""Objects by kind: what they hold in the API's own spelling, so that a field that is not there is an error.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from sealane.kube.objects import Object
    from sealane.kube.shapes import (
        admissionregistration_v1,
        apiextensions_v1,
        apiregistration_v1,
        apps_v1,
        autoscaling_v1,
        batch_v1,
        certificates_v1,
        coordination_v1,
        core_v1,
        discovery_v1,
        events_v1,
        flowcontrol_v1,
        gateway_v1,
        gateway_v1alpha1,
        networking_v1,
        node_v1,
        policy_v1,
        policy_v1alpha1,
        policy_v1alpha2,
        rbac_v1,
        resource_v1,
        scheduling_v1,
        storage_v1,
    )

    APIService = Object[apiregistration_v1.APIService, apiregistration_v1.APIServiceSpec, apiregistration_v1.APIServiceStatus]
    AdminNetworkPolicy = Object[policy_v1alpha1.AdminNetworkPolicy, policy_v1alpha1.AdminNetworkPolicySpec, policy_v1alpha2.ClusterNetworkPolicyStatus]
    BackendTLSPolicy = Object[gateway_v1.BackendTLSPolicy, gateway_v1.BackendTLSPolicySpec, gateway_v1.BackendTLSPolicyStatus]
    BaselineAdminNetworkPolicy = Object[policy_v1alpha1.BaselineAdminNetworkPolicy, policy_v1alpha1.BaselineAdminNetworkPolicySpec, policy_v1alpha2.ClusterNetworkPolicyStatus]
    Binding = Object[core_v1.Binding, Any, Any]
    CSIDriver = Object[storage_v1.CSIDriver, storage_v1.CSIDriverSpec, Any]
    CSINode = Object[storage_v1.CSINode, storage_v1.CSINodeSpec, storage_v1.CSINodeStatus]
    CSIStorageCapacity = Object[storage_v1.CSIStorageCapacity, Any, Any]
    CertificateSigningRequest = Object[certificates_v1.CertificateSigningRequest, certificates_v1.CertificateSigningRequestSpec, certificates_v1.CertificateSigningRequestStatus]
    ClusterNetworkPolicy = Object[policy_v1alpha2.ClusterNetworkPolicy, policy_v1alpha2.ClusterNetworkPolicySpec, policy_v1alpha2.ClusterNetworkPolicyStatus]
    ClusterRole = Object[rbac_v1.ClusterRole, Any, Any]
    ClusterRoleBinding = Object[rbac_v1.ClusterRoleBinding, Any, Any]
    ClusterTrustBundle = Object[certificates_v1.ClusterTrustBundle, certificates_v1.ClusterTrustBundleSpec, Any]
    ConfigMap = Object[core_v1.ConfigMap, Any, Any]
    ControllerRevision = Object[apps_v1.ControllerRevision, Any, Any]
    CronJob = Object[batch_v1.CronJob, batch_v1.CronJobSpec, batch_v1.CronJobStatus]
    CustomResourceDefinition = Object[apiextensions_v1.CustomResourceDefinition, apiextensions_v1.CustomResourceDefinitionSpec, apiextensions_v1.CustomResourceDefinitionStatus]
    DaemonSet = Object[apps_v1.DaemonSet, apps_v1.DaemonSetSpec, apps_v1.DaemonSetStatus]
    Deployment = Object[apps_v1.Deployment, apps_v1.DeploymentSpec, apps_v1.DeploymentStatus]
    DeviceClass = Object[resource_v1.DeviceClass, resource_v1.DeviceClassSpec, Any]
    DeviceTaintRule = Object[resource_v1.DeviceTaintRule, resource_v1.DeviceTaintRuleSpec, resource_v1.DeviceTaintRuleStatus]
    EndpointSlice = Object[discovery_v1.EndpointSlice, Any, Any]
    Endpoints = Object[core_v1.Endpoints, Any, Any]
    Event = Object[events_v1.Event, Any, Any]
    FlowSchema = Object[flowcontrol_v1.FlowSchema, flowcontrol_v1.FlowSchemaSpec, flowcontrol_v1.FlowSchemaStatus]
    GRPCRoute = Object[gateway_v1.GRPCRoute, gateway_v1.GRPCRouteSpec, gateway_v1.GRPCRouteStatus]
    Gateway = Object[gateway_v1.Gateway, gateway_v1.GatewaySpec, gateway_v1.GatewayStatus]
    GatewayClass = Object[gateway_v1.GatewayClass, gateway_v1.GatewayClassSpec, gateway_v1.GatewayClassStatus]
    HTTPRoute = Object[gateway_v1.HTTPRoute, gateway_v1.HTTPRouteSpec, gateway_v1.GRPCRouteStatus]
    HorizontalPodAutoscaler = Object[autoscaling_v1.HorizontalPodAutoscaler, autoscaling_v1.HorizontalPodAutoscalerSpec, autoscaling_v1.HorizontalPodAutoscalerStatus]
    IPAddress = Object[networking_v1.IPAddress, networking_v1.IPAddressSpec, Any]
    Ingress = Object[networking_v1.Ingress, networking_v1.IngressSpec, networking_v1.IngressStatus]
    IngressClass = Object[networking_v1.IngressClass, networking_v1.IngressClassSpec, Any]
    Job = Object[batch_v1.Job, batch_v1.JobSpec, batch_v1.JobStatus]
    Lease = Object[coordination_v1.Lease, coordination_v1.LeaseSpec, Any]
    LimitRange = Object[core_v1.LimitRange, core_v1.LimitRangeSpec, Any]
    ListenerSet = Object[gateway_v1.ListenerSet, gateway_v1.ListenerSetSpec, gateway_v1.ListenerSetStatus]
    MutatingAdmissionPolicy = Object[admissionregistration_v1.MutatingAdmissionPolicy, admissionregistration_v1.MutatingAdmissionPolicySpec, Any]
    MutatingAdmissionPolicyBinding = Object[admissionregistration_v1.MutatingAdmissionPolicyBinding, admissionregistration_v1.MutatingAdmissionPolicyBindingSpec, Any]
    MutatingWebhookConfiguration = Object[admissionregistration_v1.MutatingWebhookConfiguration, Any, Any]
    Namespace = Object[core_v1.Namespace, core_v1.NamespaceSpec, core_v1.NamespaceStatus]
    NetworkPolicy = Object[networking_v1.NetworkPolicy, networking_v1.NetworkPolicySpec, Any]
    Node = Object[core_v1.Node, core_v1.NodeSpec, core_v1.NodeStatus]
    PersistentVolume = Object[core_v1.PersistentVolume, core_v1.PersistentVolumeSpec, core_v1.PersistentVolumeStatus]
    PersistentVolumeClaim = Object[core_v1.PersistentVolumeClaim, core_v1.PersistentVolumeClaimSpec, core_v1.PersistentVolumeClaimStatus]
    Pod = Object[core_v1.Pod, core_v1.PodSpec, core_v1.PodStatus]
    PodCertificateRequest = Object[certificates_v1.PodCertificateRequest, certificates_v1.PodCertificateRequestSpec, certificates_v1.PodCertificateRequestStatus]
    PodDisruptionBudget = Object[policy_v1.PodDisruptionBudget, policy_v1.PodDisruptionBudgetSpec, policy_v1.PodDisruptionBudgetStatus]
    PodTemplate = Object[core_v1.PodTemplate, Any, Any]
    PriorityClass = Object[scheduling_v1.PriorityClass, Any, Any]
    PriorityLevelConfiguration = Object[flowcontrol_v1.PriorityLevelConfiguration, flowcontrol_v1.PriorityLevelConfigurationSpec, flowcontrol_v1.PriorityLevelConfigurationStatus]
    ReferenceGrant = Object[gateway_v1.ReferenceGrant, gateway_v1.ReferenceGrantSpec, Any]
    ReplicaSet = Object[apps_v1.ReplicaSet, apps_v1.ReplicaSetSpec, apps_v1.ReplicaSetStatus]
    ReplicationController = Object[core_v1.ReplicationController, core_v1.ReplicationControllerSpec, core_v1.ReplicationControllerStatus]
    ResourceClaim = Object[resource_v1.ResourceClaim, resource_v1.ResourceClaimSpec, resource_v1.ResourceClaimStatus]
    ResourceClaimTemplate = Object[resource_v1.ResourceClaimTemplate, resource_v1.ResourceClaimTemplateSpec, Any]
    ResourceQuota = Object[core_v1.ResourceQuota, core_v1.ResourceQuotaSpec, core_v1.ResourceQuotaStatus]
    ResourceSlice = Object[resource_v1.ResourceSlice, resource_v1.ResourceSliceSpec, Any]
    Role = Object[rbac_v1.Role, Any, Any]
    RoleBinding = Object[rbac_v1.RoleBinding, Any, Any]
    RuntimeClass = Object[node_v1.RuntimeClass, Any, Any]
    Secret = Object[core_v1.Secret, Any, Any]
    Service = Object[core_v1.Service, core_v1.ServiceSpec, core_v1.ServiceStatus]
    ServiceAccount = Object[core_v1.ServiceAccount, Any, Any]
    ServiceCIDR = Object[networking_v1.ServiceCIDR, networking_v1.ServiceCIDRSpec, networking_v1.ServiceCIDRStatus]
    StatefulSet = Object[apps_v1.StatefulSet, apps_v1.StatefulSetSpec, apps_v1.StatefulSetStatus]
    StorageClass = Object[storage_v1.StorageClass, Any, Any]
    TCPRoute = Object[gateway_v1.TCPRoute, gateway_v1.TCPRouteSpec, gateway_v1.GRPCRouteStatus]
    TLSRoute = Object[gateway_v1.TLSRoute, gateway_v1.TLSRouteSpec, gateway_v1.GRPCRouteStatus]
    UDPRoute = Object[gateway_v1.TCPRoute, gateway_v1.TCPRouteSpec, gateway_v1.GRPCRouteStatus]
    ValidatingAdmissionPolicy = Object[admissionregistration_v1.ValidatingAdmissionPolicy, admissionregistration_v1.ValidatingAdmissionPolicySpec, admissionregistration_v1.ValidatingAdmissionPolicyStatus]
    ValidatingAdmissionPolicyBinding = Object[admissionregistration_v1.ValidatingAdmissionPolicyBinding, admissionregistration_v1.ValidatingAdmissionPolicyBindingSpec, Any]
    ValidatingWebhookConfiguration = Object[admissionregistration_v1.ValidatingWebhookConfiguration, Any, Any]
    VolumeAttachment = Object[storage_v1.VolumeAttachment, storage_v1.VolumeAttachmentSpec, storage_v1.VolumeAttachmentStatus]
    VolumeAttributesClass = Object[storage_v1.VolumeAttributesClass, Any, Any]
    XBackend = Object[gateway_v1alpha1.XBackend, gateway_v1alpha1.XBackendSpec, gateway_v1alpha1.XBackendStatus]
    XBackendTrafficPolicy = Object[gateway_v1alpha1.XBackendTrafficPolicy, gateway_v1alpha1.XBackendTrafficPolicySpec, gateway_v1.BackendTLSPolicyStatus]
    XMesh = Object[gateway_v1alpha1.XMesh, gateway_v1.GatewayClassSpec, gateway_v1alpha1.XMeshStatus]
    XTelemetryPolicy = Object[gateway_v1alpha1.XTelemetryPolicy, gateway_v1alpha1.XTelemetryPolicySpec, gateway_v1.BackendTLSPolicyStatus]
