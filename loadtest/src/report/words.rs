//! Words of the page: Chinese first, English beside.

/// What a machine's name means, in both languages; unknown names stay as they are.
pub(super) fn of(name: &str) -> (&str, &str) {
    match name {
        "granted" => ("领取成功", "granted"),
        "already_held" => ("已持有（重复领取）", "already held"),
        "sold_out" => ("已领完", "sold out"),
        "refused" => ("其他拒绝", "other refusal"),
        "error" => ("无有效应答", "error"),
        "busy" => ("繁忙，请重试", "busy"),
        "too_fast" => ("操作过快", "too fast"),
        "not_open" => ("未开始", "not open"),
        "closed" => ("已结束", "closed"),
        "unavailable" => ("暂不可用", "unavailable"),
        "outcome_unknown" => ("结果未知，请重试", "outcome unknown"),
        "risk_control_degraded" => ("风控降级，暂停发放", "risk control degraded"),
        "pass_invalid" => ("通行证无效", "pass invalid"),
        "pass_wrong_device" => ("通行证设备不符", "pass of another device"),
        "device_in_use" => ("设备已被他人使用", "device in use"),
        "timed_out" => ("超时", "timed out"),
        "connection_refused" => ("连接被拒绝", "connection refused"),
        "connection_broken" => ("连接中断", "connection broken"),
        other => (other, ""),
    }
}
