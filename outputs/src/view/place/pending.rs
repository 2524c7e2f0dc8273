//! Which pods stay Pending, and why.

use super::{Shown, range, time};
use crate::table::{Cell, Column, Table};

/// Pods that fit on no node, and why; absent when all fitted every time.
pub(super) fn pending(shown: &Shown<'_>) -> Option<Table> {
    let columns = [
        Column::key("deployment"),
        Column::right("Pending").unit("pods"),
        Column::left("why, the first time"),
    ];
    let mut table = Table::new("pending", "Pending pods", shown.columns(columns))
        .question("Which pods fit on no node, and what does `kubectl describe pod` say?");
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            let pending = &deployment.stages[0].pending;
            if pending.most == 0 {
                continue;
            }
            let why = deployment.first.pending.as_ref().map(|(_, why)| why);
            let row = [
                Cell::text(&deployment.name),
                range(pending, survey.replications),
                why.map_or(Cell::Missing, |why| Cell::Text(why.to_string())),
            ];
            table.row(case.iter().cloned().chain(row).collect());
            for (group, reasons) in why
                .map(|why| survey.reasons_by_group(why))
                .unwrap_or_default()
            {
                let row = [Cell::Text(group), Cell::Empty, Cell::Text(reasons)];
                let blank = case.iter().map(|_| Cell::Empty);
                table.detail(blank.chain(row).collect());
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}

/// Updates that came to rest before their end, and why; absent when none did.
pub(super) fn stuck(shown: &Shown<'_>) -> Option<Table> {
    let columns = [
        Column::key("deployment"),
        Column::key("after"),
        Column::right("placements").unit("%"),
        Column::left("why"),
    ];
    let mut table = Table::new("stuck", "Rolling updates that stop", shown.columns(columns))
        .question(
            "How often does a new pod fit on no node, so that old and new pods stay side by side?",
        );
    for (case, survey) in shown.named() {
        for deployment in &survey.deployments {
            let stages = deployment.stages.iter().enumerate();
            for (after, (runs, why)) in
                stages.filter_map(|(after, stage)| Some((after, stage.stuck.as_ref()?)))
            {
                let share = 100.0 * f64::from(*runs) / f64::from(survey.replications.max(1));
                let row = [
                    Cell::text(&deployment.name),
                    time(after),
                    Cell::Number(share),
                    Cell::Text(why.to_string()),
                ];
                table.row(case.iter().cloned().chain(row).collect());
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}
