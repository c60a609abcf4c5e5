// SPDX-License-Identifier: BSD-3-Clause
// The engines that sum the cross-dose of all cells, and the choice between them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "immunodose/transport/population_tables.hpp"

namespace immunodose {

// Takes the sums over the neighbors of some cells, (cell, column), and may change them; called
// from any thread.
using CrossSink = std::function<void(std::span<const std::int64_t> cells, std::span<double> sums)>;

void direct_sums(const PopulationTables& tables, const Channels& channels, const CrossSink& sink,
                 SummationReport& report);
void cell_list_sums(const PopulationTables& tables, const Channels& channels, const CrossSink& sink,
                    SummationReport& report);
void particle_mesh_sums(const PopulationTables& tables, const Channels& channels,
                        const CrossSink& sink, SummationReport& report);

// The mesh that is cheapest for an error: spacing, and the distance within which pairs are summed.
// Each further `attempt` is a finer one, for kernels that are less smooth than most.
struct MeshPlan {
  double spacing_um = 0.0;  // 0: no mesh fits
  double cut_um = 0.0;
  double expected_error = 0.0;
  double cost_s = 0.0;  // estimated
};
MeshPlan plan_mesh(const PopulationTables& tables, double reach_um, std::size_t n_kernels,
                   std::size_t attempt = 0);
inline constexpr std::size_t most_mesh_attempts = 3;

// Sets the method of each kernel and gathers those that share a sweep.
std::vector<Channels> make_channels(const PopulationTables& tables);

}  // namespace immunodose
