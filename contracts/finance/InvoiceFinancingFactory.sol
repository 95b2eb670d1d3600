// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IConsortium} from "../governance/IConsortium.sol";
import {SystemAddresses} from "../libraries/SystemAddresses.sol";
import {IFinancingRegistry} from "./IFinancingRegistry.sol";
import {IInvoiceFinancing} from "./IInvoiceFinancing.sol";

/// @title Makes one minimal clone (EIP-1167) for each registered invoice
/// @notice Registering never excludes anyone, not even a second registration of the same invoice.
contract InvoiceFinancingFactory {
    IConsortium private constant CONSORTIUM = IConsortium(SystemAddresses.CONSORTIUM);

    mapping(address => bool) private _made;

    event FinancingCreated(address indexed financing, bytes32 indexed sellerBank, bytes32 indexed invoiceHash);

    error NotABank(address caller);

    /// @notice Registers an invoice for the calling bank's customer, the seller.
    function register(
        IInvoiceFinancing.InvoiceTerms calldata terms,
        IFinancingRegistry.Tag[] calldata tags,
        bytes32 approvalsHash
    ) external returns (address financing) {
        bytes32 bank = CONSORTIUM.memberOf(msg.sender);
        if (!CONSORTIUM.isBank(bank)) revert NotABank(msg.sender);
        financing = Clones.clone(SystemAddresses.INVOICE_FINANCING);
        _made[financing] = true;
        emit FinancingCreated(financing, bank, terms.invoiceHash);
        IInvoiceFinancing(financing).initialize(bank, terms, tags, approvalsHash);
    }

    /// @notice True for the clones that this factory has made.
    function isFinancing(address candidate) external view returns (bool) {
        return _made[candidate];
    }
}
