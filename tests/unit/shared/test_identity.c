// SPDX-License-Identifier: Apache-2.0
/* test_identity - unit and container from a cgroup's path. */
#include "cli/shared/identity.h"
#include "tests/unit/check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct identity from(const char *path)
{
	struct identity out = { 0 };

	identity_from_cgroup(path, &out);
	return out;
}

Test(identity, a_service_is_the_last_of_its_name)
{
	check_text(from("/system.slice/nginx.service").unit, "nginx.service");
	check_text(from("/user.slice/user@1.service/app.slice/sync.service/x\n").unit, "sync.service");
	check_text(from("/user.slice/session-3.scope").unit, "");
	check_text(from("/").unit, "");
}

Test(identity, an_id_of_64_digits_is_a_container)
{
	check_text(from("/system.slice/docker-" ID ".scope").container, "0123456789ab");
	check_text(from("/docker/" ID).container, "0123456789ab");
	check_text(from("/kubepods/besteffort/pod1/" ID "\n").container, "0123456789ab");
	check_text(from("/machine.slice/libpod-" ID ".scope/container").container, "0123456789ab");
	check_text(from("/system.slice/docker.service").container, "");
}

/* Paths as seen with Docker 20 to 28, Podman 4, CRI-O, containerd with both drivers of cgroups, k3s. */
Test(identity, of_kubernetes_and_of_other_engines)
{
	check_text(from("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f0b_22.slice/"
			"cri-containerd-" ID ".scope")
			   .container,
		   "0123456789ab");
	check_text(from("/kubepods.slice/kubepods-pod1f0b.slice/crio-" ID ".scope/container").container,
		   "0123456789ab");
	check_text(from("/kubepods/burstable/pod1f0b-22/" ID).container, "0123456789ab");
	check_text(
		from("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container")
			.container,
		"0123456789ab");
	check_text(from("/../docker-" ID ".scope\n").container, "0123456789ab");
}

Test(identity, of_containers_inside_of_one_the_innermost)
{
	check_text(from("/docker/" ID "/docker/f" ID).container, "f0123456789a");
}

Test(identity, lxc_and_nspawn_have_names)
{
	check_text(from("/lxc.payload.web/system.slice/nginx.service").container, "web");
	check_text(from("/lxc.payload.web/system.slice/nginx.service").unit, "nginx.service");
	check_text(from("/lxc/web/init.scope").container, "web");
	check_text(from("/lxc.payload/web").container, "web");
	check_text(from("/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope").container,
		   "web-1");
	check_text(from("/machine.slice/machine-web\\x2d1.scope/payload/system.slice/a.service").container,
		   "web-1");
	check_text(from("/machine.slice/machine-web.scope").container, "web");
	check_text(from("/system.slice/lxc.service").container, "");
	check_text(from("/lxc").container, "");
}

Test(identity, who_watches_a_container_is_in_none)
{
	check_text(from("/machine.slice/libpod-conmon-" ID ".scope").container, "");
	check_text(from("/system.slice/crio-conmon-" ID ".scope").container, "");
	check_text(from("/lxc.monitor.web").container, "");
	check_text(from("/machine.slice/systemd-nspawn@web.service/supervisor").container, "");
	check_text(from("/machine.slice/systemd-nspawn@web.service/supervisor").unit,
		   "systemd-nspawn@web.service");
}

Test(identity, a_name_that_does_not_fit_is_cut_and_what_cannot_be_shown_is_escaped)
{
	check_text(from("/lxc.payload.x0123456789y0123456789z0123456789x0123456789y0123456789z0123456789g")
			   .container,
		   "x0123456789y0123456789z012345678");
	check_text(from("/lxc.payload.a\033b").container, "a\\u001bb");
}
