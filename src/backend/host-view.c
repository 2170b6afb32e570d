/* SPDX-License-Identifier: MIT */
#include "backend/host-view.h"

#include "base/macro.h"
#include "sandbox/resolve.h"

void host_view_fill(struct decision *decision, struct host_view *ret)
{
	*ret = (struct host_view){0};
	if (sandbox_resolve(decision, 0, &ret->report.backend_reason, &ret->error) < 0) {
		ret->report.problem = ret->error.text;
	}
	backend_native_probe(ret->facts);
	for (size_t i = 0; i < LAYER_COUNT_; i++) {
		const struct host_fact *fact = &ret->facts[i];

		ret->layers[i] = (struct report_layer){
			.layer = fact->layer,
			.present = fact->present,
			.detail = fact->detail[0] != '\0' ? fact->detail : NULL,
			.fix = fact->fix[0] != '\0' ? fact->fix : NULL,
		};
	}
	ret->report.layers = ret->layers;
	ret->report.layer_count = LAYER_COUNT_;
}
