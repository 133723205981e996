// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "channel.h"

struct vg_transport *vg_transport_open(const char **reason)
{
	const char *socket = getenv("VGPU_SOCKET");

	if (socket && *socket)
		return vg_transport_open_socket(socket, reason);
	return vg_transport_open_device("/dev/vgpu0", reason);
}
