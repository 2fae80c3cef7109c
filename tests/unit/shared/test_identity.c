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
