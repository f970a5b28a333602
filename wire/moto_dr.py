#!/usr/bin/env python3
"""moto 5.2.5 server with what the two-region DR site needs and plain moto lacks, plus instruments for tests.

    "$(wire/setup | tail -n 1)" wire/moto_dr.py -p 5002 [--scale 0.01] [--latency-ms 0] [--lenient] [--drain] [--exit-with-stdin]

Binds the loopback only; its first line of output is its address (`-p 0` takes any free port). Plain moto 5.2.5 cannot serve this workload: a custom domain has no target name, CloudWatch
does not speak rpcv2Cbor (the protocol of the Rust SDK), TestDNSAnswer is missing, tags do not filter NAT gateways.

 fill     always: custom domain fields and update, UpdateApiMapping, rpcv2Cbor for CloudWatch, TestDNSAnswer, health check
          counts and versions, NAT tag filters and MaxResults, ClientToken of RunInstances/CreateNatGateway,
          network interfaces freed with their NAT gateway or instance, SetIdentifier deletion limited to its name
 strict   unless --lenient: refuses what AWS refuses (see STRICT below)
 slow     states take time: AWS-like seconds times --scale (0 = at once); with --drain the interfaces of a deleted load
          balancer hold its subnets and groups for a while, as on AWS
 tools    GET /_dr/stats, GET /_dr/log, POST /_dr/reset, POST /_dr/latency {"ms":80},
          POST /_dr/fault {"service":"ec2","op":"CreateNatGateway","region":"us-east-2","mode":"error|lost|hang|kill",
                           "code":"RequestLimitExceeded","status":503,"times":1,"skip":0,"seconds":5}
              error: refuse before doing anything; lost: do it, then answer 500; hang: do it, answer late;
              kill: SIGKILL to the process "pid", and refuse, or with "after":true do it
          POST /_dr/clearfaults
          POST /_dr/health {"id":"<health check>","healthy":false}
"""
import argparse
import collections
import copy
import datetime
import functools
import hashlib
import io
import json
import os
import re
import signal
import sys
import threading
import time
import uuid

os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("MOTO_ENABLE_AMI_VALIDATION", "true")
os.environ.setdefault("MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION", "true")

import botocore.parsers                                                     # noqa: E402
import botocore.serialize                                                   # noqa: E402
from botocore.loaders import Loader                                         # noqa: E402
from botocore.model import ServiceModel                                     # noqa: E402
from werkzeug.serving import make_server                                    # noqa: E402

from moto.acm.models import AWSCertificateManagerBackend, CertBundle, acm_backends   # noqa: E402
from moto.acm.responses import AWSCertificateManagerResponse                # noqa: E402
from moto.apigatewayv2 import models as gw                                  # noqa: E402
from moto.apigatewayv2 import urls as gwurls                                # noqa: E402
from moto.apigatewayv2.exceptions import APIGatewayV2Error, BadRequestException   # noqa: E402
from moto.apigatewayv2.responses import ApiGatewayV2Response                # noqa: E402
from moto.cloudfront import models as cfm                                   # noqa: E402
from moto.cloudfront.responses import CloudFrontResponse                    # noqa: E402
from moto.cloudwatch.responses import CloudWatchResponse                    # noqa: E402
from moto.core.exceptions import AWSError, ServiceException                 # noqa: E402
from moto.core.responses import ActionResult, BaseResponse                  # noqa: E402
from moto.ec2.models import ec2_backends                                    # noqa: E402
from moto.ec2.models import instances as inst_models                        # noqa: E402
from moto.ec2.models import nat_gateways as nat_models                      # noqa: E402
from moto.ec2.models.route_tables import Route                              # noqa: E402
from moto.ec2.responses import EC2Response                                  # noqa: E402
from moto.elbv2 import models as elbm                                       # noqa: E402
from moto.elbv2.responses import ELBV2Response                              # noqa: E402
from moto.iam.models import iam_backends                                    # noqa: E402
from moto.iam.responses import IamResponse                                  # noqa: E402
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app   # noqa: E402
from moto.sns.responses import SNSResponse                                  # noqa: E402
from moto.route53 import models as r53m                                     # noqa: E402
from moto.route53 import urls as r53urls                                    # noqa: E402
from moto.route53.responses import Route53                                  # noqa: E402

OPT = argparse.Namespace(scale=0.01, strict=True, latency=0.0, drain=False)
AWS_SECONDS = {"nat": 90, "nat-delete": 60, "vpclink": 120, "vpclink-delete": 120, "alb": 120, "alb-drain": 60, "cloudfront": 240, "acm": 60, "route53": 30, "target": 30}
REGIONAL_ZONE = {"us-east-1": "Z1UJRXOUMOOFQ8", "us-east-2": "ZOJJZC49E0EPZ"}
LOCK = threading.RLock()
HEALTH, CHANGES = {}, {}


def after(kind):
    return time.monotonic() + max(AWS_SECONDS[kind] * OPT.scale, 0.02)


CUR = threading.local()


def service_error(code, message, service=None):
    """moto finds the error's service by the module of its class."""
    service = service or CUR.op[0]
    return type("Refused", (ServiceException,), {"__module__": f"moto.{service}.exceptions"})(code, message)


def err(code, message):
    raise service_error(code, message)


def gwerr(code, message, status=400):
    e = APIGatewayV2Error(code, message)
    e.code = status
    raise e


def hook(cls, name, pre=None, post=None, strict=False):
    """pre(response_object) may raise; post(response_object, result) may replace the result."""
    old = getattr(cls, name)

    @functools.wraps(old)
    def new(self, *a, **k):
        if strict and not OPT.strict:
            return old(self, *a, **k)
        if pre:
            pre(self)
        r = old(self, *a, **k)
        return post(self, r) if post else r
    setattr(cls, name, new)


# ------------------------------------------------------------------ EC2
def nat_init(old):
    def init(self, *a, **k):
        self._ready, self._gone = after("nat"), 0.0
        old(self, *a, **k)
    return init


def nat_state(self):
    if self._state == "deleted":
        return "deleting" if time.monotonic() < self._gone else "deleted"
    return "pending" if time.monotonic() < self._ready else self._state


nat_models.NatGateway.__init__ = nat_init(nat_models.NatGateway.__init__)
nat_models.NatGateway.state = property(nat_state, lambda self, v: setattr(self, "_state", v))


def nat_delete(self, nat_gateway_id):
    n = self.nat_gateways.get(nat_gateway_id)
    if not n or n.state == "deleted":
        err("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    n._gone, n.state = after("nat-delete"), "deleted"
    for x in n.address_set:
        for e in self.address_by_allocation([x["allocationId"]]) if x.get("allocationId") else []:
            e.eni = e.instance = e.association_id = None
    self.enis.pop(n._eni.id, None)
    return n


nat_models.NatGatewayBackend.delete_nat_gateway = nat_delete
_nat_describe = nat_models.NatGatewayBackend.describe_nat_gateways


def nat_describe(self, filters, ids):
    for i in ids or []:
        if i not in self.nat_gateways:
            err("NatGatewayNotFound", f"The Nat Gateway {i} was not found")
    out = _nat_describe(self, filters, ids)
    for k, want in (filters or {}).items():
        pat = [re.compile(re.escape(w).replace(r"\*", ".*").replace(r"\?", ".") + r"\Z") for w in want]
        if k.startswith("tag:"):
            out = [n for n in out if any(t["key"] == k[4:] and any(p.match(t["value"]) for p in pat) for t in n.get_tags())]
        elif k == "tag-key":
            out = [n for n in out if any(p.match(t["key"]) for p in pat for t in n.get_tags())]
        elif k not in ("nat-gateway-id", "vpc-id", "subnet-id", "state"):
            err("InvalidParameterValue", f"The filter '{k}' is invalid")
    return out


nat_models.NatGatewayBackend.describe_nat_gateways = nat_describe
_terminate = inst_models.Instance.terminate


def terminate(self, *a, **k):
    r = _terminate(self, *a, **k)
    for n in list(self.nics.values()):
        self.ec2_backend.enis.pop(n.id, None)
    return r


inst_models.Instance.terminate = terminate


def token(self, params):
    """ClientToken: the same parameters answer the first result, others are refused."""
    t = self._get_param("ClientToken")
    if not t:
        return None, None, None
    digest = hashlib.sha256(repr(sorted((k, str(v)) for k, v in self.querystring.items())).encode()).hexdigest()
    key = (self.current_account, self.region, self._get_action(), t)
    return key, digest, TOKENS.get(key)


TOKENS = {}


def with_token(cls, name):
    old = getattr(cls, name)

    @functools.wraps(old)
    def new(self):
        with LOCK:
            key, digest, hit = token(self, None)
            if hit and hit[0] != digest:
                err("IdempotentParameterMismatch", "The client token has been used with other parameters")
            if hit:
                return hit[1]
            r = old(self)
            if key:
                TOKENS[key] = (digest, r)
            return r
    setattr(cls, name, new)


def page(cls, name, field):
    """MaxResults / NextToken."""
    def post(self, r):
        n = self._get_int_param("MaxResults")
        d = r.result if isinstance(r, ActionResult) else None
        if not n or not isinstance(d, dict) or d.get("NextToken"):
            return r
        items = list(d[field])
        try:
            start = int(self._get_param("NextToken") or 0)
        except ValueError:
            err("InvalidParameterValue", "Invalid NextToken")
        return ActionResult({**d, field: items[start:start + n], "NextToken": str(start + n) if start + n < len(items) else None})
    hook(cls, name, post=post)


for _n, _f in [("describe_vpcs", "Vpcs"), ("describe_subnets", "Subnets"), ("describe_security_groups", "SecurityGroups"), ("describe_route_tables", "RouteTables"),
               ("describe_nat_gateways", "NatGateways"), ("describe_internet_gateways", "InternetGateways"), ("describe_network_interfaces", "NetworkInterfaces")]:
    page(EC2Response, _n, _f)
with_token(EC2Response, "create_nat_gateway")
with_token(EC2Response, "run_instances")


def lbs(self):
    return elbm.elbv2_backends[self.current_account][self.region].load_balancers.values()


def links(self):
    return [v for v in gw.apigatewayv2_backends[self.current_account][self.region].vpc_links.values() if not getattr(v, "_gone", None) or time.monotonic() < v._gone]


def dep(what, ident):
    err("DependencyViolation", f"The {what} '{ident}' has dependencies and cannot be deleted.")


def live_nats(b, **kw):
    return [n for n in b.nat_gateways.values() if n.state != "deleted" and all(getattr(n, k) == v for k, v in kw.items())]


DRAINING = []


def draining(self, ident):
    """Interfaces of a load balancer outlive it by a minute or so and keep its subnets and groups in use."""
    with LOCK:
        DRAINING[:] = [d for d in DRAINING if d[2] > time.monotonic()]
        return any(where == (self.current_account, self.region) and ident in ids for where, ids, _ in DRAINING)


def can_delete_subnet(self):
    s = self._get_param("SubnetId")
    b = self.ec2_backend
    if draining(self, s):
        dep("subnet", s)
    if any(e.subnet and e.subnet.id == s for e in b.enis.values()) or any(s in [x.id for x in x_.subnets] for x_ in lbs(self)) or any(s in v.subnet_ids for v in links(self)):
        dep("subnet", s)
    for t in b.route_tables.values():
        for a, sub in list(t._associations.items()):
            if sub == s:
                t._associations.pop(a)


def can_delete_group(self):
    g = self._get_param("GroupId")
    b = self.ec2_backend
    if draining(self, g):
        err("DependencyViolation", f"resource {g} has a dependent object")
    for groups in b.groups.values():
        for o in groups.values():
            if o.id != g and any((x.get("GroupId") if isinstance(x, dict) else getattr(x, "id", None)) == g for r in list(o.ingress_rules) + list(o.egress_rules)
                                 for x in (r.source_groups if hasattr(r, "source_groups") else [getattr(r, "source_group", None)]) if x):
                err("DependencyViolation", f"resource {g} has a dependent object")
    if any(g in [x.id for x in e.group_set] for e in b.enis.values()) or any(g in (x.security_groups or []) for x in lbs(self)) or any(g in (v.sg_ids or []) for v in links(self)):
        err("DependencyViolation", f"resource {g} has a dependent object")


def can_delete_vpc(self):
    v = self._get_param("VpcId")
    b = self.ec2_backend
    if any(g.vpc and g.vpc.id == v for g in b.internet_gateways.values()) or any(g.name != "default" for g in b.groups.get(v, {}).values()) or live_nats(b, vpc_id=v):
        dep("vpc", v)


def can_detach(self):
    v = self._get_param("VpcId")
    if any(n.connectivity_type != "private" for n in live_nats(self.ec2_backend, vpc_id=v)):
        err("DependencyViolation", f"Network {v} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.")


def can_attach(self):
    v = self._get_param("VpcId")
    for g in self.ec2_backend.internet_gateways.values():
        if g.vpc and g.vpc.id == v and g.id != self._get_param("InternetGatewayId"):
            err("InvalidParameterValue", f"Network {v} already has an internet gateway attached")


def can_release(self):
    a = self._get_param("AllocationId")
    for n in live_nats(self.ec2_backend):
        if any(x.get("allocationId") == a for x in n.address_set):
            err("InvalidIPAddress.InUse", f"The address {a} is in use by {n.id}")


def can_route(self):
    n, g, t = self._get_param("NatGatewayId"), self._get_param("GatewayId"), self._get_param("RouteTableId")
    if n and (n not in self.ec2_backend.nat_gateways or self.ec2_backend.nat_gateways[n].state in ("deleted", "deleting")):
        err("InvalidNatGatewayID.NotFound", f"The natGateway ID '{n}' does not exist")
    if g and g.startswith("igw-") and g in self.ec2_backend.internet_gateways and t in self.ec2_backend.route_tables:
        x = self.ec2_backend.internet_gateways[g]
        if not x.vpc or x.vpc.id != self.ec2_backend.route_tables[t].vpc_id:
            err("InvalidParameterValue", f"route table {t} and network gateway {g} belong to different networks")


def can_associate(self):
    s, t = self._get_param("SubnetId"), self._get_param("RouteTableId")
    for r in self.ec2_backend.route_tables.values():
        if s and s in r._associations.values() and r.id != t:
            err("Resource.AlreadyAssociated", f"the specified association for route table {t} conflicts with an existing association")


def can_nat(self):
    if (self._get_param("ConnectivityType") or "public") == "public" and not self._get_param("AllocationId"):
        err("MissingParameter", "The request must include the AllocationId parameter.")


def can_run(self):
    p = self._get_param("IamInstanceProfile") or {}
    name = p.get("Name") or (p.get("Arn") or "").split("/")[-1]
    iam = iam_backends[self.current_account]["aws"]
    if name and name not in [x.name for x in iam.instance_profiles.values()]:
        err("InvalidParameterValue", f"Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name")
    vpc = None
    if self._get_param("SubnetId"):
        vpc = self.ec2_backend.get_subnet(self._get_param("SubnetId")).vpc_id
    for g in self._get_param("SecurityGroupIds", []) or self._get_param("SecurityGroupId", []):
        x = self.ec2_backend.get_security_group_from_id(g)
        if not x:
            err("InvalidGroup.NotFound", f"The security group '{g}' does not exist")
        if vpc and x.vpc_id != vpc:
            err("InvalidParameter", f"Security group {g} and subnet {self._get_param('SubnetId')} belong to different networks.")


def drop_default_acl(self, r):
    """moto keeps the default network ACL of a deleted VPC for ever."""
    acls = self.ec2_backend.network_acls
    for i in [i for i, x in acls.items() if x.vpc_id == self._get_param("VpcId")]:
        del acls[i]
    return r


hook(EC2Response, "delete_vpc", post=drop_default_acl)
for _n, _p in [("delete_subnet", can_delete_subnet), ("delete_security_group", can_delete_group), ("delete_vpc", can_delete_vpc), ("detach_internet_gateway", can_detach),
               ("attach_internet_gateway", can_attach), ("release_address", can_release), ("create_route", can_route), ("replace_route", can_route),
               ("associate_route_table", can_associate), ("create_nat_gateway", can_nat), ("run_instances", can_run)]:
    hook(EC2Response, _n, pre=_p, strict=True)

_route_state = Route.state.fget
Route.state = property(lambda self: "blackhole" if self.nat_gateway is not None and self.nat_gateway.state in ("deleting", "deleted") else _route_state(self))

# ------------------------------------------------------------------ ELBv2
_lb_init, _lb_activate = elbm.FakeLoadBalancer.__init__, elbm.FakeLoadBalancer.activate


def lb_init(self, *a, **k):
    _lb_init(self, *a, **k)
    self._ready = after("alb")
    if self.scheme == "internal" and not self.dns_name.startswith("internal-"):
        self.dns_name = "internal-" + self.dns_name


elbm.FakeLoadBalancer.__init__ = lb_init
elbm.FakeLoadBalancer.activate = lambda self: _lb_activate(self) if time.monotonic() >= self._ready else None


def can_lb(self):
    name, subnets = self._get_param("Name") or "", self._get_param("Subnets", []) or []
    if len(name) > 32:
        err("ValidationError", f"Load balancer name '{name}' cannot be longer than '32' characters")
    b = ec2_backends[self.current_account][self.region]
    try:
        subs = [b.get_subnet(s) for s in subnets]
    except Exception:                               # noqa: BLE001
        subs = None
    if subs is None:
        err("SubnetNotFound", "One or more of the specified subnets do not exist")
    if (self._get_param("Type") or "application") == "application" and subnets:
        if len(subnets) < 2:
            err("ValidationError", "At least two subnets in two different Availability Zones must be specified")
        if len({s.availability_zone for s in subs}) != len(subs):
            err("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
    for g in self._get_param("SecurityGroups", []) or []:
        if not b.get_security_group_from_id(g):
            err("InvalidSecurityGroup", f"The security group '{g}' does not exist")


def existing_lb(old):
    @functools.wraps(old)
    def new(self):
        if OPT.strict:
            can_lb(self)
            for b in lbs(self):
                if b.name == self._get_param("Name"):
                    same = b.scheme == (self._get_param("Scheme") or "internet-facing") and sorted(s.id for s in b.subnets) == sorted(self._get_param("Subnets", []))
                    if not same:
                        err("DuplicateLoadBalancerName", f"A load balancer with the same name '{b.name}' exists, but with different settings")
                    return ActionResult({"LoadBalancers": [b]})
        return old(self)
    return new


ELBV2Response.create_load_balancer = existing_lb(ELBV2Response.create_load_balancer)


def idempotent_listener(old):
    """AWS: the same settings again answer the existing listener; other settings on the port are refused."""
    @functools.wraps(old)
    def new(self):
        if OPT.strict and self._get_param("Protocol") in ("HTTPS", "TLS") and not self._get_param("Certificates", []):
            err("ValidationError", f"A certificate must be specified for {self._get_param('Protocol')} listeners")
        b = elbm.elbv2_backends[self.current_account][self.region].load_balancers.get(self._get_param("LoadBalancerArn"))
        for x in list(b.listeners.values()) if OPT.strict and b else []:
            if str(x.port) == str(self._get_param("Port")):
                sent = [(a.get("Type"), a.get("TargetGroupArn")) for a in self._get_param("DefaultActions", [])]
                if x.protocol == self._get_param("Protocol") and sent == [(a.type, a.data.get("TargetGroupArn")) for a in x.default_actions]:
                    return ActionResult({"Listeners": [x]})
                err("DuplicateListener", f"A listener already exists on port {self._get_param('Port')} for this load balancer")
        return old(self)
    return new


def idempotent_group(old):
    @functools.wraps(old)
    def new(self):
        for t in list(elbm.elbv2_backends[self.current_account][self.region].target_groups.values()) if OPT.strict else []:
            if t.name == self._get_param("Name"):
                if all(str(getattr(t, a)) == str(self._get_param(k)) for a, k in (("protocol", "Protocol"), ("port", "Port"), ("vpc_id", "VpcId")) if self._get_param(k) is not None):
                    return ActionResult({"TargetGroups": [t]})
                err("DuplicateTargetGroupName", f"A target group with the same name '{t.name}' exists, but with different settings")
        return old(self)
    return new


ELBV2Response.create_listener = idempotent_listener(ELBV2Response.create_listener)
ELBV2Response.create_target_group = idempotent_group(ELBV2Response.create_target_group)


def can_register(self):
    live = {i.id for i in ec2_backends[self.current_account][self.region].all_instances() if i.state in ("running", "pending", "stopped")}
    for t in self._get_param("Targets", []):
        if t["Id"].startswith("i-") and t["Id"] not in live:
            err("InvalidTarget", f"The following targets are not in a running state or do not exist: '{t['Id']}'")


hook(ELBV2Response, "register_targets", pre=can_register, strict=True)


def drop_lb(self):
    b = elbm.elbv2_backends[self.current_account][self.region].load_balancers.get(self._get_param("LoadBalancerArn"))
    if b and b.attrs.get("deletion_protection.enabled") == "true":
        err("OperationNotPermitted", f"Load balancer '{b.arn}' cannot be deleted because deletion protection is enabled")
    if b and OPT.drain:
        with LOCK:
            DRAINING.append(((self.current_account, self.region), {s.id for s in b.subnets} | set(b.security_groups or []), after("alb-drain")))


hook(ELBV2Response, "delete_load_balancer", pre=drop_lb, strict=True)

_health_for = elbm.FakeTargetGroup.health_for


def health_for(self, target, ec2_backend):
    """unused without a listener, initial, then healthy; POST /_dr/health {"id":"i-...","healthy":false} makes a target unhealthy."""
    h = _health_for(self, target, ec2_backend)
    if h.status == "healthy":
        if OPT.strict and not self.load_balancer_arns:
            h.status, h.reason, h.description = "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
            return h
        t = self.__dict__.setdefault("_since", {}).setdefault(target["Id"], after("target"))
        if time.monotonic() < t:
            h.status, h.reason, h.description = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
        elif not HEALTH.get(target["Id"], True):
            h.status, h.reason, h.description = "unhealthy", "Target.Timeout", "Request timed out"
    return h


elbm.FakeTargetGroup.health_for = health_for

# ------------------------------------------------------------------ ACM
_acm_check = CertBundle.check


def zone_has(account, name, value):
    for z in r53m.route53_backends[account]["aws"].zones.values():
        for r in z.rrsets:
            if r.type == "CNAME" and r.name.rstrip(".").lower() == name.rstrip(".").lower() and value.rstrip(".") in [str(x).rstrip(".") for x in r.records]:
                return True
    return False


def acm_check(self):
    if OPT.strict and self.type == "AMAZON_ISSUED" and self.status == "PENDING_VALIDATION":
        names = {s[2:] if s.startswith("*.") else s for s in [self.common_name, *self.cert_options.get("_sans", [])]}
        ok = all(zone_has(self.arn.split(":")[4], f"_d930b28be6c5927595552b219965053e.{n}", "_c9edd76ee4a0e2a74388032f3861cc50.ykybfrwcxw.acm-validations.aws.") for n in names)
        if not ok:
            return
        self._seen = getattr(self, "_seen", None) or after("acm")
        if time.monotonic() < self._seen:
            return
        self.status = "ISSUED"
        return
    _acm_check(self)


CertBundle.check = acm_check


def in_use_by(account, region, arn):
    use = []
    for d in gw.apigatewayv2_backends[account][region].domain_names.values():
        use += [d.domain_name_arn for c in d.domain_name_configurations if c.get("certificateArn") == arn]
    if region == "us-east-1":
        use += [d.arn for d in cfm.cloudfront_backends[account]["aws"].distributions.values()
                if getattr(d.distribution_config.ViewerCertificate, "acm_certificate_arn", None) == arn]
    for b in elbm.elbv2_backends[account][region].load_balancers.values():
        use += [x.arn for x in b.listeners.values() if arn in str(getattr(x, "certificate", "")) or arn in str(getattr(x, "certificates", ""))]
    return use


class InUse(AWSError):
    TYPE = "ResourceInUseException"


def can_delete_cert(self):
    arn = self._get_param("CertificateArn")
    use = in_use_by(self.current_account, self.region, arn)
    if use:
        raise InUse(f"Certificate {arn} is in use by {use}")


_acm_delete = AWSCertificateManagerBackend.delete_certificate


def acm_delete(self, arn):
    _acm_delete(self, arn)
    tok = getattr(self, "_idempotency_tokens", {})
    for k in [k for k, v in tok.items() if arn in str(v)]:          # plain moto: the token then points at nothing (500)
        tok.pop(k)


AWSCertificateManagerBackend.delete_certificate = acm_delete


def acm_delete_response(old):
    @functools.wraps(old)
    def new(self, *a, **k):
        if OPT.strict:
            try:
                can_delete_cert(self)
            except AWSError as e:
                return e.response() if callable(getattr(e, "response", None)) else (json.dumps({"__type": e.TYPE, "message": e.message}), {"status": 400})
        return old(self, *a, **k)
    return new


AWSCertificateManagerResponse.delete_certificate = acm_delete_response(AWSCertificateManagerResponse.delete_certificate)

# ------------------------------------------------------------------ API Gateway v2
_domain_json, _link_json = gw.DomainName.to_json, gw.VpcLink.to_json


def domain_json(self):
    j = copy.deepcopy(_domain_json(self))
    region = self.domain_name_arn.split(":")[3]
    for c in j["domainNameConfigurations"]:
        c.setdefault("apiGatewayDomainName", f"d-{hashlib.sha256(self.domain_name_arn.encode()).hexdigest()[:10]}.execute-api.{region}.amazonaws.com")
        c.setdefault("hostedZoneId", REGIONAL_ZONE.get(region, "Z2FDTNDATAQYW2"))
        c["domainNameStatus"] = "AVAILABLE"
        c.setdefault("endpointType", "REGIONAL")
        c.setdefault("securityPolicy", "TLS_1_2")
    return j


gw.DomainName.to_json = domain_json


def link_json(self):
    j = _link_json(self)
    self.__dict__.setdefault("_ready", after("vpclink"))
    j["vpcLinkStatus"] = "DELETING" if getattr(self, "_gone", None) else "PENDING" if time.monotonic() < self._ready else "AVAILABLE"
    return j


gw.VpcLink.to_json = link_json
BACK = gw.ApiGatewayV2Backend
gwurls.url_paths["{0}/v2/tags/(?P<resource_arn_pt1>[^/]+)/domainnames/(?P<resource_arn_pt2>[^/]+)$"] = ApiGatewayV2Response.dispatch


def of_domain(name, act):
    """Tags of a custom domain live in the domain; moto only knows its tag store."""
    old = getattr(BACK, name)

    @functools.wraps(old)
    def new(self, arn, *a):
        if "/domainnames/" not in arn:
            return old(self, arn, *a)
        d = self.get_domain_name(arn.split("/domainnames/")[1])
        d.tags = d.tags or {}
        return act(d.tags, *a)
    setattr(BACK, name, new)


of_domain("get_tags", dict)
of_domain("tag_resource", lambda have, tags: have.update(tags))
of_domain("untag_resource", lambda have, keys: [have.pop(k, None) for k in keys])


def link_get(self, vpc_link_id):
    v = self.vpc_links.get(vpc_link_id)
    if v is None or getattr(v, "_gone", None) and time.monotonic() >= v._gone:
        self.vpc_links.pop(vpc_link_id, None)
        raise gw.VpcLinkNotFound(vpc_link_id)
    return v


def link_delete(self, vpc_link_id):
    v = self.get_vpc_link(vpc_link_id)
    if OPT.strict and any(i.connection_id == vpc_link_id for a in self.apis.values() for i in a.integrations.values()):
        gwerr("ConflictException", f"Cannot delete VPC link {vpc_link_id}: an integration uses it", 409)
    v._gone = after("vpclink-delete")


BACK.get_vpc_link, BACK.delete_vpc_link = link_get, link_delete
BACK.get_vpc_links = lambda self: [v for v in list(self.vpc_links.values()) if not getattr(v, "_gone", None) or time.monotonic() < v._gone]


def domain_delete(self, domain_name):
    if domain_name not in self.domain_names:
        raise gw.DomainNameNotFound
    for k in [k for k, m in self.api_mappings.items() if m.domain_name == domain_name]:
        del self.api_mappings[k]
    del self.domain_names[domain_name]


BACK.delete_domain_name = domain_delete


def check_cert(self, confs):
    for c in confs:
        arn = c.get("certificateArn") or ""
        cert = acm_backends[self.account_id][self.region_name]._certificates.get(arn)
        if not cert:
            raise BadRequestException(f"Invalid certificate ARN: {arn}. Certificate must be in '{self.region_name}'.")
        cert.check()
        if cert.status != "ISSUED":
            raise BadRequestException(f"Certificate {arn} is not in the ISSUED state")


def strictly(name, pre):
    old = getattr(BACK, name)

    @functools.wraps(old)
    def new(self, *a, **k):
        if OPT.strict:
            pre(self, *a, **k)
        return old(self, *a, **k)
    setattr(BACK, name, new)


strictly("create_domain_name", lambda self, domain_name, domain_name_configurations, **k: domain_name in self.domain_names or check_cert(self, domain_name_configurations))


def update_domain_name(self):
    b, p = self.apigatewayv2_backend, json.loads(self.body)
    d = b.get_domain_name(self.path.split("/")[-1])
    if p.get("domainNameConfigurations"):
        if OPT.strict:
            check_cert(b, p["domainNameConfigurations"])
        d.domain_name_configurations = [{**(d.domain_name_configurations[i] if i < len(d.domain_name_configurations) else {}), **c} for i, c in enumerate(p["domainNameConfigurations"])]
    return 200, {}, json.dumps(d.to_json())


def update_api_mapping(self):
    b, p, parts = self.apigatewayv2_backend, json.loads(self.body), self.path.split("/")
    m = b.get_api_mapping(api_mapping_id=parts[-1], domain_name=parts[-3])
    if OPT.strict:
        check_mapping(b, p.get("apiId", m.api_id), p.get("apiMappingKey", m.api_mapping_key), parts[-3], p.get("stage", m.stage), skip=m.api_mapping_id)
    m.api_id, m.api_mapping_key, m.stage = p.get("apiId", m.api_id), p.get("apiMappingKey", m.api_mapping_key), p.get("stage", m.stage)
    return 200, {}, json.dumps(m.to_json())


def update_stage(self):
    b, p, parts = self.apigatewayv2_backend, json.loads(self.body), self.path.split("/")
    s = b.get_stage(parts[-3], parts[-1].replace("%24", "$"))
    for k, attr in [("defaultRouteSettings", "default_route_settings"), ("accessLogSettings", "access_log_settings"), ("autoDeploy", "auto_deploy"), ("description", "description"),
                    ("routeSettings", "route_settings"), ("stageVariables", "stage_variables"), ("clientCertificateId", "client_certificate_id")]:
        if k in p:
            setattr(s, attr, p[k])
    return 200, {}, json.dumps(s.to_json())


def get_authorizers(self):
    a = self.apigatewayv2_backend.get_api(self.path.split("/")[-2])
    return 200, {}, json.dumps({"items": [x.to_json() for x in a.authorizers.values()]})


ApiGatewayV2Response.update_domain_name, ApiGatewayV2Response.update_api_mapping = update_domain_name, update_api_mapping
ApiGatewayV2Response.update_stage, ApiGatewayV2Response.get_authorizers = update_stage, get_authorizers


def check_mapping(b, api_id, key, domain, stage, skip=None):
    a = b.get_api(api_id)
    if stage not in a.stages:
        gwerr("BadRequestException", f"Invalid stage identifier specified {stage}")
    if any(m.domain_name == domain and (m.api_mapping_key or "") == (key or "") and m.api_mapping_id != skip for m in b.api_mappings.values()):
        gwerr("ConflictException", "ApiMapping key already exists for this domain name", 409)


strictly("create_api_mapping", lambda self, api_id, api_mapping_key, domain_name, stage, **k: domain_name not in self.domain_names or check_mapping(self, api_id, api_mapping_key, domain_name, stage))


def check_route(self, api_id, route_key, target=None, skip=None, **k):
    a = self.get_api(api_id)
    if route_key and not re.match(r"^(\$default|\$connect|\$disconnect|(ANY|GET|PUT|POST|PATCH|DELETE|HEAD|OPTIONS) /.*)$", route_key) and a.protocol_type == "HTTP":
        raise BadRequestException(f"The provided route key is not formatted properly for HTTP protocol: {route_key}")
    if any(r.route_key == route_key and r.route_id != skip for r in a.routes.values()):
        gwerr("ConflictException", f"Route with key {route_key} already exists for this API", 409)
    if target and target.split("/")[-1] not in a.integrations:
        raise BadRequestException(f"Invalid integration target: {target}")


strictly("create_route", lambda self, *a, **k: check_route(self, *a, **k) if not a else None)


def check_integration(self, api_id=None, integration_type=None, connection_type=None, connection_id=None, **k):
    if integration_type not in ("AWS", "AWS_PROXY", "HTTP", "HTTP_PROXY", "MOCK"):
        raise BadRequestException(f"Invalid integration type {integration_type}")
    if connection_type == "VPC_LINK":
        v = self.vpc_links.get(connection_id)
        if not v or getattr(v, "_gone", None):
            raise BadRequestException(f"Invalid VPC link {connection_id}")


strictly("create_integration", lambda self, *a, **k: check_integration(self, **k) if not a else None)


def check_integration_free(self, api_id, integration_id):
    a = self.get_api(api_id)
    a.get_integration(integration_id)
    if any((r.target or "").endswith("/" + integration_id) for r in a.routes.values()):
        gwerr("ConflictException", f"Cannot delete Integration '{integration_id}' due to its dependency on a Route", 409)


strictly("delete_integration", check_integration_free)


def check_api_free(self, api_id):
    self.get_api(api_id)
    if any(m.api_id == api_id for m in self.api_mappings.values()):
        gwerr("BadRequestException", "Deleting API failed. Please remove all API mappings related to the API")


strictly("delete_api", check_api_free)


def check_stage(self, api_id, config):
    if config.get("stageName") in self.get_api(api_id).stages:
        gwerr("ConflictException", "Stage already exists", 409)


strictly("create_stage", check_stage)


def check_link(self, name, sg_ids, subnet_ids, tags):
    b = ec2_backends[self.account_id][self.region_name]
    for s in subnet_ids or []:
        try:
            b.get_subnet(s)
        except Exception:                       # noqa: BLE001
            raise BadRequestException(f"The subnet ID '{s}' does not exist")
    for g in sg_ids or []:
        if not b.get_security_group_from_id(g):
            raise BadRequestException(f"The security group '{g}' does not exist")


strictly("create_vpc_link", lambda self, name, sg_ids, subnet_ids, tags: check_link(self, name, sg_ids, subnet_ids, tags))

def gw_page(name):
    def post(self, r):
        if not isinstance(r, tuple) or len(r) != 3:
            return r
        q = self.querystring
        n, tok = (q.get("maxResults") or [None])[0], (q.get("nextToken") or ["0"])[0]
        if not n:
            return r
        d, s = json.loads(r[2]), int(tok)
        out = {**d, "items": d["items"][s:s + int(n)]}
        if s + int(n) < len(d["items"]):
            out["nextToken"] = str(s + int(n))
        return r[0], r[1], json.dumps(out)
    hook(ApiGatewayV2Response, name, post=post)


for _n in ("get_apis", "get_routes", "get_integrations", "get_stages", "get_vpc_links", "get_domain_names", "get_api_mappings"):
    gw_page(_n)

# ------------------------------------------------------------------ SNS
def pending(s):
    return OPT.strict and getattr(s, "protocol", "") in ("email", "email-json") and not getattr(s, "_confirmed", False)


def sns_subscribe(old):
    @functools.wraps(old)
    def new(self):
        if OPT.strict:
            proto, end = self._get_param("Protocol"), self._get_param("Endpoint") or ""
            if proto not in ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"):
                err("InvalidParameter", f"Invalid parameter: Amazon SNS does not support this protocol string: {proto}")
            if proto.startswith("email") and "@" not in end:
                err("InvalidParameter", "Invalid parameter: Email address")
        r = old(self)
        s = self.backend.subscriptions.get(r.result["SubscriptionArn"])
        if pending(s) and str(self._get_param("ReturnSubscriptionArn")).lower() != "true":
            return ActionResult({"SubscriptionArn": "pending confirmation"})
        return r
    return new


def sns_list(self, r):
    out = [{"SubscriptionArn": "PendingConfirmation" if pending(s) else s.arn, "Owner": s.owner if hasattr(s, "owner") else self.current_account, "Protocol": s.protocol, "Endpoint": s.endpoint,
            "TopicArn": s.topic.arn} for s in r.result["Subscriptions"]]
    return ActionResult({**r.result, "Subscriptions": out})


def sns_attrs(self, r):
    s = self.backend.subscriptions.get(self._get_param("SubscriptionArn"))
    return ActionResult({"Attributes": {**r.result["Attributes"], "PendingConfirmation": "true"}}) if pending(s) else r


SNSResponse.subscribe = sns_subscribe(SNSResponse.subscribe)
for _n in ("list_subscriptions", "list_subscriptions_by_topic"):
    hook(SNSResponse, _n, post=sns_list)
hook(SNSResponse, "get_subscription_attributes", post=sns_attrs)

# ------------------------------------------------------------------ Route 53


def is_healthy(h, checks=None):
    """A disabled check is healthy, an inverted one the opposite (also when disabled), a calculated one counts its children."""
    if h is None:
        return True
    ok = HEALTH.get(h.id, True)
    if h.type_ == "CALCULATED" and checks is not None and h.id not in HEALTH:
        ok = sum(is_healthy(checks.get(c)) for c in h.children or []) >= int(h.health_threshold or 0)
    ok = ok or bool(h.disabled)
    return (not ok) if h.inverted else ok


def key_of(r):
    g = r.get if isinstance(r, dict) else lambda k: getattr(r, {"Name": "name", "Type": "type", "SetIdentifier": "set_identifier"}[k])
    return (g("Name").rstrip(".").lower(), g("Type"), g("SetIdentifier"))


def rr_equal(have, want):
    vals = sorted(x["Value"] for x in want.get("ResourceRecords") or [])
    al, bl = have.alias_target or {}, want.get("AliasTarget") or {}
    norm = lambda x: (x.get("HostedZoneId"), (x.get("DNSName") or "").rstrip(".").lower(), str(x.get("EvaluateTargetHealth")).lower())    # noqa: E731
    return (sorted(map(str, have.records or [])) == vals and str(have.ttl or "") == str(want.get("TTL") or "") and have.failover == want.get("Failover")
            and have.health_check_id == want.get("HealthCheckId") and (norm(al) if al else None) == (norm(bl) if bl else None))


def bad(msg):
    err("InvalidChangeBatch", f"[{msg}]")


def can_change(self):
    z = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    zone = z.name.rstrip(".").lower()
    have = {key_of(r): r for r in z.rrsets}
    sim = {k: ((r.failover, bool(r.set_identifier))) for k, r in have.items()}
    for c in self._get_param("ChangeBatch.Changes"):
        s, act = c["ResourceRecordSet"], c["Action"]
        k = key_of(s)
        name = s["Name"]
        if not (k[0] == zone or k[0].endswith("." + zone)):
            bad(f"RRSet with DNS name {name} is not permitted in zone {z.name}")
        if act == "DELETE":
            if k not in sim:
                bad(f"Tried to delete resource record set [name='{name}', type='{k[1]}'] but it was not found")
            if k in have and not rr_equal(have[k], s):
                bad(f"Tried to delete resource record set [name='{name}', type='{k[1]}'] but the values provided do not match the current values")
            sim.pop(k)
            continue
        if act == "CREATE" and k in sim:
            bad(f"Tried to create resource record set [name='{name}', type='{k[1]}'] but it already exists")
        if s.get("Failover") and not s.get("SetIdentifier"):
            err("InvalidInput", f"Invalid request: Missing field 'SetIdentifier' in Change with [Action={act}, Name={name}, Type={k[1]}, SetIdentifier=null]")
        if s.get("AliasTarget") and (s.get("TTL") is not None or s.get("ResourceRecords")):
            err("InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one")
        if not s.get("AliasTarget") and not (s.get("TTL") is not None and s.get("ResourceRecords")):
            err("InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none")
        if s.get("HealthCheckId") and s["HealthCheckId"] not in self.backend.health_checks:
            bad(f"The specified health check {s['HealthCheckId']} does not exist")
        if k[1] == "CNAME" and k[0] == zone:
            bad(f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {z.name}")
        sim[k] = (s.get("Failover"), bool(s.get("SetIdentifier")))
        same = [(o, v) for o, v in sim.items() if o[0] == k[0] and o != k]
        if any((o[1] == "CNAME") != (k[1] == "CNAME") for o, v in same):
            bad(f"RRSet of type {k[1]} with DNS name {name} is not permitted because a conflicting RRSet of another type with the same DNS name already exists")
        for o, v in same:
            if o[1] == k[1] and (not v[1] or not s.get("SetIdentifier")):
                bad(f"RRSet with DNS name {name}, type {k[1]}, SetIdentifier {k[2]} cannot be created as a non-multi-answer RRSet exists with the same name and type")
            if o[1] == k[1] and s.get("Failover") and v[0] == s["Failover"]:
                bad(f"Failover record with primary or secondary set to {s['Failover']} already exists for {name}")


hook(Route53, "change_resource_record_sets", pre=can_change, strict=True)


def change(self, zoneid, change_list):
    """Applies a batch as moto does, but by (name, type, set identifier) and all or nothing."""
    z = self.get_hosted_zone(zoneid)
    with LOCK:
        rr = list(z.rrsets)
        for c in change_list:
            s = copy.deepcopy(c["ResourceRecordSet"])
            s["Name"] = s["Name"].lower().replace("*", "\\052")
            if not s["Name"].endswith("."):
                s["Name"] += "."
            s["ResourceRecords"] = [x["Value"] for x in s.get("ResourceRecords") or []]
            k = key_of(s)
            rr = [r for r in rr if key_of(r) != k]
            if c["Action"] != "DELETE":
                rr.append(r53m.RecordSet(s))
        z.rrsets = rr
    for b in list(acm_backends[self.account_id].values()):          # a new record starts the validation of its certificates
        for x in list(b._certificates.values()):
            x.check()


def change_info(self, r):
    with LOCK:
        i = "C" + uuid.uuid4().hex[:20].upper()
        CHANGES[i] = after("route53")
    d = dict(r.result)
    d["ChangeInfo"] = {**d["ChangeInfo"], "Id": "/change/" + i, "Status": "PENDING"}
    return ActionResult(d)


r53m.Route53Backend.change_resource_record_sets = change
hook(Route53, "change_resource_record_sets", post=change_info)
hook(Route53, "create_hosted_zone", post=lambda self, r: change_info(self, r) if "ChangeInfo" in r.result else r)


def get_change(self):
    i = self._get_param("Id").split("/")[-1]
    if i not in CHANGES:
        err("NoSuchChange", f"Could not find resource with ID: {i}")
    return ActionResult({"ChangeInfo": {"Id": "/change/" + i, "Status": "PENDING" if time.monotonic() < CHANGES[i] else "INSYNC", "SubmittedAt": datetime.datetime.now(datetime.timezone.utc)}})


Route53.get_change = get_change


def zone_token(self):
    if any(z.caller_reference == self._get_param("CallerReference") for z in self.backend.zones.values()):
        err("HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference.")


hook(Route53, "create_hosted_zone", pre=zone_token, strict=True)


def hc_create(old):
    @functools.wraps(old)
    def new(self):
        with LOCK:
            conf = json.dumps(self._get_param("HealthCheckConfig"), sort_keys=True, default=str)
            for h in self.backend.health_checks.values():
                if OPT.strict and h.caller_reference == self._get_param("CallerReference"):
                    if getattr(h, "_conf", None) != conf:
                        err("HealthCheckAlreadyExists", f"A health check with the same caller reference exists: {h.id}")
                    return ActionResult({"HealthCheck": h})
            r = old(self)
            r.result["HealthCheck"]._conf = conf
            return r
    return new


def hc_update(old):
    @functools.wraps(old)
    def new(self):
        h = self.backend.get_health_check(self._get_param("HealthCheckId"))
        v = self._get_param("HealthCheckVersion")
        if OPT.strict and v is not None and int(v) != h.health_check_version:
            err("HealthCheckVersionMismatch", "The value of HealthCheckVersion does not match the current version")
        kept = (h.children, h.regions)
        r = old(self)
        h.children, h.regions = h.children or kept[0], h.regions or kept[1]       # plain moto wipes them on every update
        h.health_check_version += 1
        return r
    return new


Route53.create_health_check, Route53.update_health_check = hc_create(Route53.create_health_check), hc_update(Route53.update_health_check)
hook(Route53, "delete_health_check", pre=lambda self: self.backend.get_health_check(self._get_param("HealthCheckId")), strict=True)


def hc_status(self):
    h = self.backend.get_health_check(self._get_param("HealthCheckId"))
    ok = HEALTH.get(h.id, True)
    now = datetime.datetime.now(datetime.timezone.utc)
    text = "Success: HTTP Status Code 200, OK" if ok else "Failure: Connection timed out. The endpoint or the internet connection is down, or requests are being blocked by your firewall."
    return ActionResult({"HealthCheckObservations": [{"Region": r, "IPAddress": f"15.177.{i}.1", "StatusReport": {"Status": text, "CheckedTime": now}}
                                                     for i, r in enumerate(("us-east-1", "us-west-2", "eu-west-1"))]})


def test_dns(self):
    z = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    name, typ = self._get_param("RecordName").rstrip(".").lower(), self._get_param("RecordType")
    rr = [r for r in z.rrsets if r.name.rstrip(".").lower() == name and r.type in (typ, "CNAME")]
    fo = {r.failover: r for r in rr if r.failover}
    pick = rr
    if fo:
        ok = lambda r: r is not None and is_healthy(self.backend.health_checks.get(r.health_check_id), self.backend.health_checks)      # noqa: E731
        pick = [next((fo[k] for k in ("PRIMARY", "SECONDARY") if ok(fo.get(k))), fo.get("PRIMARY") or fo.get("SECONDARY"))]
    data = [str(v) for r in pick for v in (r.records or [])] or [r.alias_target["DNSName"] for r in pick if r.alias_target]
    return ActionResult({"Nameserver": "ns-1.awsdns-01.com", "RecordName": name, "RecordType": typ, "RecordData": data,
                         "ResponseCode": "NOERROR" if rr else "NXDOMAIN", "Protocol": "UDP"})


Route53.get_health_check_status, Route53.test_dns_answer = hc_status, test_dns
Route53.get_health_check_count = lambda self: ActionResult({"HealthCheckCount": len(self.backend.health_checks)})
Route53.get_checker_ip_ranges = lambda self: ActionResult({"CheckerIpRanges": ["15.177.0.0/18", "54.183.255.128/26"]})
Route53.get_health_check_last_failure_reason = hc_status
for _p in ("testdnsanswer", "healthcheckcount", "checkeripranges", "healthcheck/(?P<health_check_id>[^/]+)/lastfailurereason"):
    r53urls.url_paths[r"{0}/(?P<api_version>[\d_-]+)/" + _p + "$"] = Route53.dispatch

# ------------------------------------------------------------------ IAM
def simulate_principal_policy(self):
    """Nothing here evaluates policies, so everything is allowed."""
    names = self._get_param("ActionNames", [])
    return ActionResult({"EvaluationResults": [{"EvalActionName": n, "EvalResourceName": "*", "EvalDecision": "allowed"} for n in names], "IsTruncated": False})


IamResponse.simulate_principal_policy = simulate_principal_policy

# ------------------------------------------------------------------ CloudFront
CF = cfm.CloudFrontBackend


def cf_check(self, config, me=None):
    al = (config.get("Aliases") or {}).get("Items") or []
    vc = config.get("ViewerCertificate") or {}
    arn = vc.get("ACMCertificateArn")
    if al and not arn and not vc.get("IAMCertificateId"):
        err("InvalidViewerCertificate", "To add an alternate domain name (CNAME) to a CloudFront distribution, you must attach a trusted certificate that validates your authorization to use the domain name.")
    if arn:
        c = acm_backends[self.account_id]["us-east-1"]._certificates.get(arn)
        if c:
            c.check()
        if not c or c.status != "ISSUED":
            err("InvalidViewerCertificate", "The specified SSL certificate doesn't exist, isn't in us-east-1 region, isn't valid, or doesn't include a valid certificate chain.")
    for d in self.distributions.values():
        if d.distribution_id != me and set(al) & set((d.distribution_config.Aliases or {}).get("Items") or []):
            err("CNAMEAlreadyExists", "One or more of the CNAMEs you provided are already associated with a different resource.")


def cf_wait(d):
    d._ready = after("cloudfront")


cfm.Distribution.status = property(lambda self: "InProgress" if time.monotonic() < self.__dict__.get("_ready", 0) else "Deployed", lambda self, v: None)
_cf_create, _cf_update, _cf_delete = CF.create_distribution_with_tags, CF.update_distribution, CF.delete_distribution


def cf_create(self, distribution_config, tags):
    with LOCK:
        old = self._distribution_with_caller_reference(distribution_config["CallerReference"])
        if OPT.strict and old is None:
            cf_check(self, distribution_config)
        d, loc, etag = _cf_create(self, distribution_config, tags)
        cf_wait(d)
        return d, loc, etag


def cf_update(self, dist_config, _id, if_match):
    with LOCK:
        d = self.distributions.get(_id)
        if OPT.strict and d is not None:
            if not if_match:
                err("InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
            if if_match != d.etag:
                err("PreconditionFailed", "The request failed because it didn't meet the preconditions in one or more request-header fields.")
            if dist_config.get("CallerReference") != d.distribution_config.caller_reference:
                err("IllegalUpdate", "The update contains modifications that are not allowed.")
            cf_check(self, dist_config, me=_id)
        _cf_update(self, dist_config, _id, if_match)
        d.etag = cfm.random_id()
        cf_wait(d)
        return d, d.location, d.etag


def cf_delete(self, distribution_id, if_match):
    d = self.distributions.get(distribution_id)
    if OPT.strict and d is not None:
        if str(d.distribution_config.Enabled).lower() == "true" or d.status != "Deployed":
            err("DistributionNotDisabled", "The distribution you are trying to delete has not been disabled.")
        if if_match != d.etag:
            err("PreconditionFailed" if if_match else "InvalidIfMatchVersion", "The If-Match version is missing or not valid for the resource.")
    _cf_delete(self, distribution_id, if_match)


CF.create_distribution_with_tags, CF.update_distribution, CF.delete_distribution = cf_create, cf_update, cf_delete

# ------------------------------------------------------------------ CloudWatch
def can_delete_alarms(self):
    have = self.cloudwatch_backend.alarms
    if any(n not in have for n in self._get_param("AlarmNames", [])):
        err("ResourceNotFound", "Unknown alarm")


def can_put_alarm(self):
    if self._get_param("ComparisonOperator") not in (None, "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
                                                     "LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"):
        err("ValidationError", "1 validation error detected: Value at 'comparisonOperator' failed to satisfy constraint")


hook(CloudWatchResponse, "delete_alarms", pre=can_delete_alarms, strict=True)
hook(CloudWatchResponse, "put_metric_alarm", pre=can_put_alarm, strict=True)

# ------------------------------------------------------------------ log, latency, faults
LOG, FAULTS, ACTIVE = [], [], collections.Counter()
PEAK = collections.Counter()
_call_action = BaseResponse.call_action


def fault_for(service, op, region):
    with LOCK:
        for f in FAULTS:
            if f.get("service") not in (None, service) or f.get("op") not in (None, op) or f.get("region") not in (None, region):
                continue
            if f.get("skip", 0) > 0:
                f["skip"] -= 1
                continue
            if f.get("times", 1) <= 0:
                continue
            f["times"] = f.get("times", 1) - 1
            f["hits"] = f.get("hits", 0) + 1
            return dict(f)
    return None


def call_action(self):
    service, op, region = self.service_name, self._get_action(), self.region
    CUR.op = (service, op, region)
    if OPT.latency:
        time.sleep(OPT.latency / 1000)
    f = fault_for(service, op, region)
    if not f:
        return _call_action(self)
    mode = f.get("mode", "error")
    if mode == "kill" and not f.get("after"):
        os.kill(int(f["pid"]), signal.SIGKILL)
    if mode in ("lost", "hang") or (mode == "kill" and f.get("after")):
        r = _call_action(self)
        if mode == "kill":
            os.kill(int(f["pid"]), signal.SIGKILL)
            return r
        if mode == "hang":
            time.sleep(min(float(f.get("seconds", 5)), 120))
            return r
    status, headers, body = self.serialized(ActionResult(service_error(f.get("code", "InternalFailure" if mode == "lost" else "RequestLimitExceeded"), f.get("message", "injected fault"), service)))
    status = int(f.get("status", 500 if mode == "lost" else 503))
    headers["status"] = str(status)
    return status, headers, body


BaseResponse.call_action = call_action


class Cbor:
    """rpcv2Cbor in front of moto's awsJson1_0 for CloudWatch, with botocore's own CBOR code."""

    def __init__(self):
        self.model = ServiceModel(Loader().load_service_model("cloudwatch", "service-2"), "cloudwatch")
        self.enc = botocore.serialize.RpcV2CBORSerializer()
        self.dec = botocore.parsers.RpcV2CBORParser()

    def load(self, b):
        return self.dec.parse_data_item(io.BufferedReader(io.BytesIO(b))) if b else {}

    def plain(self, v):
        if isinstance(v, datetime.datetime):
            return v.timestamp()
        if isinstance(v, dict):
            return {k: self.plain(x) for k, x in v.items()}
        return [self.plain(x) for x in v] if isinstance(v, list) else v

    def typed(self, v, shape):
        if v is None:
            return None
        if shape.type_name == "structure":
            return {k: self.typed(v[k], s) for k, s in shape.members.items() if v.get(k) is not None}
        if shape.type_name == "list":
            return [self.typed(x, shape.member) for x in v]
        if shape.type_name == "map":
            return {k: self.typed(x, shape.value) for k, x in v.items()}
        if shape.type_name == "timestamp":
            return datetime.datetime.fromtimestamp(v, datetime.timezone.utc) if isinstance(v, (int, float)) else datetime.datetime.fromisoformat(str(v).replace("Z", "+00:00"))
        if shape.type_name in ("double", "float"):
            return float(v)
        return int(v) if shape.type_name in ("integer", "long") else v

    def dump(self, v, shape):
        out = bytearray()
        self.enc._serialize_data_item(out, v, shape)
        return bytes(out)

    def text(self, d):
        out = bytearray(b"\xbf")
        for k, v in d.items():
            for s in (k, v):
                b = s.encode()
                out += (bytes([0x60 + len(b)]) if len(b) < 24 else b"\x78" + bytes([len(b)]) if len(b) < 256 else b"\x79" + len(b).to_bytes(2, "big")) + b
        return bytes(out + b"\xff")


class App:
    def __init__(self):
        self.inner, self.cbor = DomainDispatcherApplication(create_backend_app), Cbor()

    def admin(self, env, start):
        path, n = env["PATH_INFO"], int(env.get("CONTENT_LENGTH") or 0)
        body = json.loads(env["wsgi.input"].read(n) or b"{}") if n else {}
        out = {"ok": True}
        with LOCK:
            if path == "/_dr/log":
                out = LOG[int((env.get("QUERY_STRING") or "0").split("=")[-1] or 0):]
            elif path == "/_dr/stats":
                c = collections.Counter(f"{x['service']}:{x['op']}" for x in LOG)
                out = {"calls": len(LOG), "by_op": dict(sorted(c.items())), "by_region": dict(collections.Counter(x["region"] for x in LOG)), "by_status": dict(collections.Counter(str(x["status"]) for x in LOG)),
                       "peak_concurrency": PEAK["all"], "span_s": round(LOG[-1]["t1"] - LOG[0]["t0"], 3) if LOG else 0, "faults": FAULTS}
            elif path == "/_dr/fault":
                FAULTS.append(body)
            elif path == "/_dr/clearfaults":
                out = {"faults": list(FAULTS)}
                FAULTS.clear()
            elif path == "/_dr/latency":
                OPT.latency = float(body["ms"])
            elif path == "/_dr/health":
                HEALTH[body["id"]] = bool(body["healthy"])
            elif path == "/_dr/clearlog":
                LOG.clear()
                PEAK.clear()
            elif path == "/_dr/reset":
                from moto.moto_api._internal import moto_api_backend
                moto_api_backend.reset()
                for x in (LOG, FAULTS, HEALTH, CHANGES, TOKENS, PEAK, DRAINING):
                    x.clear()
            else:
                out = {"error": "unknown"}
        b = json.dumps(out).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(b)))])
        return [b]

    def __call__(self, env, start):
        path = env.get("PATH_INFO", "")
        if path.startswith("/_dr/"):
            return self.admin(env, start)
        m = re.match(r"/service/([A-Za-z0-9]+)/operation/([A-Za-z0-9]+)$", path)
        cbor = m and (env.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor" or "cbor" in env.get("CONTENT_TYPE", ""))
        if cbor:
            n = int(env.get("CONTENT_LENGTH") or 0)
            op = self.cbor.model.operation_model(m.group(2))
            body = json.dumps(self.cbor.plain(self.cbor.load(env["wsgi.input"].read(n)))).encode()
            env = {**env, "PATH_INFO": "/", "RAW_URI": "/", "REQUEST_URI": "/", "CONTENT_TYPE": "application/x-amz-json-1.0", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
                   "HTTP_X_AMZ_TARGET": f"GraniteServiceVersion20100801.{m.group(2)}"}
            env.pop("HTTP_SMITHY_PROTOCOL", None)
        CUR.op = (None, None, None)
        cap, t0 = [], time.time()
        with LOCK:
            ACTIVE["all"] += 1
            PEAK["all"] = max(PEAK["all"], ACTIVE["all"])
        try:
            if cbor:
                got = b"".join(self.inner(env, lambda s, h, e=None: cap.append((s, h))))
                status = cap[0][0]
                j = json.loads(got or b"{}")
                if status.startswith("200"):
                    out = self.cbor.dump(self.cbor.typed(j, op.output_shape), op.output_shape) if op.output_shape else b"\xbf\xff"
                else:
                    out = self.cbor.text({"__type": str(j.get("__type") or j.get("code") or "InternalServiceFault").split("#")[-1], "message": str(j.get("message") or j.get("Message") or "")[:60000]})
                head = [("Content-Type", "application/cbor"), ("Smithy-Protocol", "rpc-v2-cbor"), ("Content-Length", str(len(out)))]
                head += [(k, v) for k, v in cap[0][1] if k.lower() in ("x-amzn-requestid", "x-amzn-query-error")]
                start(status, head)
                return [out]

            def start2(s, h, e=None):
                cap.append((s, h))
                return start(s, h, e) if e else start(s, h)
            return list(self.inner(env, start2))
        finally:
            with LOCK:
                ACTIVE["all"] -= 1
                s, o, r = CUR.op
                a = env.get("HTTP_AUTHORIZATION", "")
                sc = a.split("Credential=")[-1].split(",")[0].split("/") if "Credential=" in a else []
                LOG.append({"t0": t0, "t1": time.time(), "service": s or (sc[3] if len(sc) > 3 else "?"), "op": o or f"{env['REQUEST_METHOD']} {path}"[:80], "region": r or (sc[2] if len(sc) > 2 else "?"),
                            "status": int(cap[0][0].split()[0]) if cap else 0})


class Handler(MotoRequestHandler):
    def log_request(self, *a, **k):
        pass


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-p", "--port", type=int, default=5002)
    p.add_argument("--scale", type=float, default=0.01, help="AWS seconds are multiplied by this (0.01: a NAT gateway takes 0.9 s)")
    p.add_argument("--latency-ms", type=float, default=0.0)
    p.add_argument("--lenient", action="store_true", help="only fill the gaps, refuse nothing more than moto")
    p.add_argument("--drain", action="store_true", help="the interfaces of a deleted load balancer keep its subnets and groups in use for a while")
    p.add_argument("--exit-with-stdin", action="store_true", help="exit when standard input closes, that is, when the parent is gone")
    a = p.parse_args()
    OPT.scale, OPT.latency, OPT.strict, OPT.drain = a.scale, a.latency_ms, not a.lenient, a.drain
    server = make_server("127.0.0.1", a.port, App(), threaded=True, request_handler=Handler)
    os.environ.setdefault("MOTO_PORT", str(server.port))
    if a.exit_with_stdin:
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
